#include "roboimi/plugin/note_reader.h"

#include <elf.h>
#include <fmt/format.h>

#include <cstring>
#include <string>

#include "roboimi/plugin/fingerprint.h"

namespace roboimi {
namespace {

using Bytes = std::span<const std::uint8_t>;

#if defined(__x86_64__)
constexpr Elf64_Half kHostMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half kHostMachine = EM_AARCH64;
#else
#error "unknown machine: add its ELF number here"
#endif

std::string machine_name(Elf64_Half machine) {
  switch (machine) {
    case EM_X86_64:
      return "x86-64";
    case EM_AARCH64:
      return "aarch64";
    case EM_386:
      return "x86 (32 bits)";
    case EM_ARM:
      return "arm (32 bits)";
    case EM_RISCV:
      return "riscv";
    default:
      return fmt::format("ELF machine {}", machine);
  }
}

// `count` bytes from `offset`, or empty when they are not all there.
std::optional<Bytes> slice(Bytes bytes, std::uint64_t offset, std::uint64_t count) {
  if (offset > bytes.size() || count > bytes.size() - offset) return std::nullopt;
  return bytes.subspan(offset, count);
}

// A copy, because nothing in a file is aligned for certain.
template <typename Record>
std::optional<Record> read_record(Bytes bytes, std::uint64_t offset) {
  const auto found = slice(bytes, offset, sizeof(Record));
  if (!found) return std::nullopt;
  Record record;
  std::memcpy(&record, found->data(), sizeof(Record));
  return record;
}

Error::Parts truncated(const std::string& found) {
  return {.what = "the file is truncated or damaged",
          .expected = "every segment to lie inside the file",
          .found = found,
          .next = "copy or build the plugin again"};
}

// The header of a shared library for this machine.
std::optional<Elf64_Ehdr> read_header(Bytes file, Error::Parts& problem) {
  const std::string next = "give the .so that the plugin's build made";
  if (file.size() < EI_NIDENT || std::memcmp(file.data(), ELFMAG, SELFMAG) != 0) {
    problem = {.what = "not a shared library",
               .expected = "an ELF file",
               .found = file.empty() ? "an empty file" : "other contents",
               .next = next};
    return std::nullopt;
  }
  if (file[EI_CLASS] != ELFCLASS64 || file[EI_DATA] != ELFDATA2LSB) {
    const char* found = file[EI_CLASS] == ELFCLASS32   ? "a 32-bit file"
                        : file[EI_CLASS] == ELFCLASS64 ? "another byte order"
                                                       : "an unknown ELF class";
    problem = {.what = "a library for another kind of machine",
               .expected = "a 64-bit little-endian ELF file",
               .found = found,
               .next = "build the plugin for " + machine_name(kHostMachine)};
    return std::nullopt;
  }
  const auto header = read_record<Elf64_Ehdr>(file, 0);
  if (!header) {
    problem = truncated(fmt::format("{} bytes, fewer than an ELF header", file.size()));
    return std::nullopt;
  }
  if (header->e_machine != kHostMachine) {
    problem = {.what = "a library for another machine",
               .expected = machine_name(kHostMachine),
               .found = machine_name(header->e_machine),
               .next = "build the plugin for " + machine_name(kHostMachine)};
    return std::nullopt;
  }
  if (header->e_type != ET_DYN) {
    problem = {.what = "not a shared library",
               .expected = "ELF type DYN",
               .found = fmt::format("ELF type {}", header->e_type),
               .next = next};
    return std::nullopt;
  }
  return header;
}

std::uint64_t round_up(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

// Walks the notes of one PT_NOTE segment.
std::optional<Bytes> find_in_segment(Bytes segment, std::uint64_t alignment) {
  std::uint64_t offset = 0;
  while (const auto note = read_record<Elf64_Nhdr>(segment, offset)) {
    // 32-bit sizes in 64-bit sums: nothing here can overflow.
    const std::uint64_t owner_at = offset + sizeof(Elf64_Nhdr);
    const std::uint64_t content_at = round_up(owner_at + note->n_namesz, alignment);
    const auto owner = slice(segment, owner_at, note->n_namesz);
    const auto content = slice(segment, content_at, note->n_descsz);
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

std::optional<Bytes> find_plugin_note(Bytes file, Error::Parts& problem) {
  const auto header = read_header(file, problem);
  if (!header) return std::nullopt;
  if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == PN_XNUM) {
    problem = truncated(
        fmt::format("{} program headers of {} bytes", header->e_phnum, header->e_phentsize));
    return std::nullopt;
  }
  const auto table =
      slice(file, header->e_phoff, std::uint64_t{header->e_phnum} * sizeof(Elf64_Phdr));
  if (!table) {
    problem = truncated(fmt::format("{} program headers at byte {} of a file of {} bytes",
                                    header->e_phnum, header->e_phoff, file.size()));
    return std::nullopt;
  }
  std::optional<Bytes> content;
  for (unsigned i = 0; i < header->e_phnum; ++i) {
    const auto program = *read_record<Elf64_Phdr>(*table, i * sizeof(Elf64_Phdr));
    if (program.p_type == PT_NULL || program.p_type == PT_GNU_STACK) continue;
    const auto segment = slice(file, program.p_offset, program.p_filesz);
    if (!segment) {
      problem = truncated(fmt::format("a segment of {} bytes at byte {} of a file of {} bytes",
                                      program.p_filesz, program.p_offset, file.size()));
      return std::nullopt;
    }
    if (program.p_type == PT_NOTE && !content) {
      content = find_in_segment(*segment, program.p_align == 8 ? 8 : 4);
    }
  }
  if (!content) {
    problem = {.what = "not a roboimi plugin",
               .expected = "a note .note.roboimi",
               .found = "a shared library without one",
               .next = "register its components with the macro ROBOIMI_PLUGIN"};
  }
  return content;
}

}  // namespace roboimi
