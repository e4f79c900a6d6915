#include "roboimi/plugin/note_reader.h"

#include "roboimi/plugin/fingerprint.h"

namespace roboimi {
namespace {

std::uint64_t round_up(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

// Searches the notes of a PT_NOTE segment.
std::optional<elf::Bytes> find_in_segment(elf::Bytes segment, std::uint64_t alignment) {
  std::uint64_t offset = 0;
  while (const auto note = elf::read_record<Elf64_Nhdr>(segment, offset)) {
    // Sums of 32-bit sizes in 64 bits cannot overflow.
    const std::uint64_t owner_at = offset + sizeof(Elf64_Nhdr);
    const std::uint64_t content_at = round_up(owner_at + note->n_namesz, alignment);
    const auto owner = elf::slice(segment, owner_at, note->n_namesz);
    const auto content = elf::slice(segment, content_at, note->n_descsz);
    if (!owner || !content) return std::nullopt;
    if (owner->size() == sizeof(kNoteOwner) && note->n_type == kNoteType &&
        std::memcmp(owner->data(), kNoteOwner, sizeof(kNoteOwner)) == 0) {
      return content;
    }
    offset = round_up(content_at + note->n_descsz, alignment);
  }
  return std::nullopt;
}

}  // namespace

std::optional<elf::Bytes> find_plugin_note(const elf::View& view) {
  for (const Elf64_Phdr& program : view.programs()) {
    if (program.p_type != PT_NOTE) continue;
    const elf::Bytes segment = view.bytes().subspan(program.p_offset, program.p_filesz);
    if (const auto content = find_in_segment(segment, program.p_align == 8 ? 8 : 4)) return content;
  }
  return std::nullopt;
}

std::optional<elf::Bytes> find_plugin_note(elf::Bytes file, Error::Parts& problem) {
  const auto view = elf::View::of(file, problem);
  if (!view) return std::nullopt;
  const auto content = find_plugin_note(*view);
  if (!content) {
    problem = {.what = "not a roboimi plugin",
               .expected = "a section .note.roboimi",
               .found = "a shared library without one",
               .next = "register its components with the macro ROBOIMI_PLUGIN"};
  }
  return content;
}

}  // namespace roboimi
