#include "roboimi/plugin/checksum.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "roboimi/common/files.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/write_advice.h"

namespace roboimi {
namespace {

// Bytes of a file: [begin, end).
struct FileRange {
  std::uint64_t begin = 0, end = 0;
};

// The parts of the dynamic section that the checksum needs.
struct DynamicSection {
  std::vector<Elf64_Dyn> entries;  // up to the first DT_NULL
  FileRange place;
  FileRange strings;  // its string table
};

// The file offset of a virtual address; empty if no loaded segment contains it.
std::optional<std::uint64_t> file_offset(const elf::View& file, std::uint64_t address) {
  for (const Elf64_Phdr& program : file.programs()) {
    if (program.p_type != PT_LOAD || address < program.p_vaddr) continue;
    if (address - program.p_vaddr < program.p_filesz) {
      return program.p_offset + (address - program.p_vaddr);
    }
  }
  return std::nullopt;
}

DynamicSection dynamic_section(const elf::View& file) {
  DynamicSection dynamic;
  for (const Elf64_Phdr& program : file.programs()) {
    if (program.p_type != PT_DYNAMIC) continue;
    dynamic.place = {program.p_offset, program.p_offset + program.p_filesz};
    const elf::Bytes bytes = file.bytes().subspan(program.p_offset, program.p_filesz);
    std::uint64_t address = 0, size = 0;
    for (std::uint64_t at = 0;; at += sizeof(Elf64_Dyn)) {
      const auto entry = elf::read_record<Elf64_Dyn>(bytes, at);
      if (!entry || entry->d_tag == DT_NULL) break;
      if (entry->d_tag == DT_STRTAB) address = entry->d_un.d_ptr;
      if (entry->d_tag == DT_STRSZ) size = entry->d_un.d_val;
      dynamic.entries.push_back(*entry);
    }
    const auto offset = file_offset(file, address);
    if (offset && elf::slice(file.bytes(), *offset, size)) {
      dynamic.strings = {*offset, *offset + size};
    }
    break;
  }
  return dynamic;
}

// The file offset of the string of a run path entry; empty for other entries and damaged ones.
std::optional<std::uint64_t> run_path_begin(const DynamicSection& dynamic, const Elf64_Dyn& entry) {
  if (entry.d_tag != DT_RUNPATH && entry.d_tag != DT_RPATH) return std::nullopt;
  const std::uint64_t size = dynamic.strings.end - dynamic.strings.begin;
  if (entry.d_un.d_val >= size) return std::nullopt;
  return dynamic.strings.begin + entry.d_un.d_val;
}

// The string of the run path and the zeros after it, which a changed run path may use; empty if
// there is none.
FileRange run_path_of(const elf::View& file) {
  const DynamicSection dynamic = dynamic_section(file);
  for (const Elf64_Dyn& entry : dynamic.entries) {
    const auto begin = run_path_begin(dynamic, entry);
    if (!begin) continue;
    const auto at = [&](std::uint64_t i) { return file.bytes()[i]; };
    std::uint64_t end = *begin;
    while (end < dynamic.strings.end && at(end) != 0) ++end;
    while (end < dynamic.strings.end && at(end) == 0) ++end;
    return {*begin, end};
  }
  return {};
}

// Hashes the bytes of `range` outside `holes`, which are sorted by their begin.
void hash_around(Sha256& hash, elf::Bytes file, FileRange range,
                 const std::vector<FileRange>& holes) {
  std::uint64_t at = range.begin;
  for (const FileRange& hole : holes) {
    const std::uint64_t end = std::clamp(hole.begin, at, range.end);
    hash.update(file.data() + at, end - at);
    at = std::clamp(hole.end, end, range.end);
  }
  hash.update(file.data() + at, range.end - at);
}

std::string checksum_of(const elf::View& file, const Fingerprint& fingerprint,
                        std::uint64_t note_begin) {
  Sha256 hash;
  // Headers: without the fields of the section table, which strip moves.
  Elf64_Ehdr header = file.header();
  header.e_shoff = 0;
  header.e_shentsize = header.e_shnum = header.e_shstrndx = 0;
  hash.update(&header, sizeof(header));
  for (const Elf64_Phdr& program : file.programs()) hash.update(&program, sizeof(program));

  // Dynamic section: without the run path, whose entries may be anywhere.
  const DynamicSection dynamic = dynamic_section(file);
  const std::uint64_t run_path = fingerprint.run_path_offset;
  hash.update(&fingerprint.run_path_offset, sizeof(fingerprint.run_path_offset));
  hash.update(&fingerprint.run_path_size, sizeof(fingerprint.run_path_size));
  for (const Elf64_Dyn& entry : dynamic.entries) {
    const bool is_run_path =
        fingerprint.run_path_size > 0 && run_path_begin(dynamic, entry) == run_path;
    if (!is_run_path) hash.update(&entry, sizeof(entry));
  }

  // Loaded segments: without the parts above and the checksum itself.
  std::vector<FileRange> holes = {
      {0, sizeof(Elf64_Ehdr)},
      dynamic.place,
      {run_path, run_path + fingerprint.run_path_size},
      {note_begin + offsetof(Fingerprint, run_path_offset), note_begin + sizeof(Fingerprint)}};
  std::ranges::sort(holes, {}, &FileRange::begin);
  for (const Elf64_Phdr& program : file.programs()) {
    if (program.p_type != PT_LOAD) continue;
    hash_around(hash, file.bytes(), {program.p_offset, program.p_offset + program.p_filesz}, holes);
  }
  return hash.hex();
}

std::string_view stored_checksum(const Fingerprint& fingerprint) {
  return {fingerprint.checksum, sizeof(fingerprint.checksum)};
}

// The first digits are enough to distinguish two checksums.
std::string shortened(std::string_view checksum) {
  return std::string(checksum.substr(0, 16)) + "...";
}

std::uint64_t offset_of_note(const elf::View& file) {
  const auto content = find_plugin_note(file);
  return content ? static_cast<std::uint64_t>(content->data() - file.bytes().data()) : 0;
}

void write_at(const std::filesystem::path& file, std::uint64_t offset, const Fingerprint& content) {
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
  const bool written =
      descriptor >= 0 && ::pwrite(descriptor, &content, sizeof(content),
                                  static_cast<off_t>(offset)) == ssize_t{sizeof(content)};
  const int error = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (written) return;
  throw Error(
      {.what = "cannot write the plugin's checksum: " + std::generic_category().message(error),
       .where = file.string(),
       .next = write_advice(error)});
}

}  // namespace

bool checksum_agrees(const elf::View& file, const Fingerprint& fingerprint, Error::Parts& problem) {
  if (fingerprint.checksum_kind == kNoChecksum) return true;
  if (fingerprint.checksum_kind != kSha256Checksum) {
    problem = {.what = "the file is damaged",
               .expected = "a note with a SHA-256, or without a checksum",
               .found = fmt::format("checksum kind {}", fingerprint.checksum_kind),
               .next = "copy or build the plugin again"};
    return false;
  }
  const std::string found = checksum_of(file, fingerprint, offset_of_note(file));
  if (found == stored_checksum(fingerprint)) return true;
  problem = {.what = "the file is damaged or was changed after it was built",
             .expected = "the checksum in its note, " + shortened(stored_checksum(fingerprint)),
             .found = shortened(found),
             .next =
                 "copy or build the plugin again; after a tool such as patchelf, run "
                 "roboimi_plugin_checksum on it"};
  return false;
}

void write_plugin_checksum(const std::filesystem::path& file) {
  const auto failed = [&](Error::Parts problem) {
    problem.where = file.string();
    return Error(std::move(problem));
  };
  // Find the note and the run path.
  Error::Parts problem;
  Fingerprint content;
  std::uint64_t note_begin = 0;
  {
    const MappedFile mapped(file);
    const auto view = elf::View::of({mapped.data(), mapped.size()}, problem);
    if (!view) throw failed(problem);
    const auto note = find_plugin_note({mapped.data(), mapped.size()}, problem);
    if (!note) throw failed(problem);
    const auto fingerprint = check_fingerprint(*note, host_fingerprint(), problem);
    if (!fingerprint) throw failed(problem);
    content = *fingerprint;
    note_begin = static_cast<std::uint64_t>(note->data() - mapped.data());

    const FileRange run_path = run_path_of(*view);
    if (run_path.end > UINT32_MAX) throw failed({.what = "the library is larger than 4 GiB"});
    content.checksum_kind = kSha256Checksum;
    content.run_path_offset = static_cast<std::uint32_t>(run_path.begin);
    content.run_path_size = static_cast<std::uint32_t>(run_path.end - run_path.begin);
  }
  // Write the kind and the run path first, because the checksum covers them; then the checksum.
  write_at(file, note_begin, content);
  const MappedFile mapped(file);
  const auto view = elf::View::of({mapped.data(), mapped.size()}, problem);
  if (!view) throw failed(problem);
  std::ranges::copy(checksum_of(*view, content, note_begin), content.checksum);
  write_at(file, note_begin, content);
}

}  // namespace roboimi
