// A bounds-checked view of an ELF64 shared library in memory.
//
//   Error::Parts problem;
//   const auto view = elf::View::of({file.data(), file.size()}, problem);
//   if (view) std::cout << view->programs().size() << " segments\n";
//
// It never reads outside the given bytes and trusts no offset, size or count in them, so it is safe
// for damaged and hostile files. Internal; not installed.
#pragma once

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/common/export.h"

namespace roboimi::elf {

using Bytes = std::span<const std::uint8_t>;

// `count` bytes from `offset`, or empty if the file is too short.
inline std::optional<Bytes> slice(Bytes bytes, std::uint64_t offset, std::uint64_t count) {
  if (offset > bytes.size() || count > bytes.size() - offset) return std::nullopt;
  return bytes.subspan(offset, count);
}

// Copies a record, because data in a file may be unaligned. Empty if the file is too short.
template <typename Record>
std::optional<Record> read_record(Bytes bytes, std::uint64_t offset) {
  const auto found = slice(bytes, offset, sizeof(Record));
  if (!found) return std::nullopt;
  Record record;
  std::memcpy(&record, found->data(), sizeof(Record));
  return record;
}

class ROBOIMI_EXPORT View {
 public:
  // Empty if `file` is not a shared library for this machine, or if a segment extends beyond the
  // end of the file (opening such a file would crash the process); then sets `problem`.
  static std::optional<View> of(Bytes file, Error::Parts& problem);

  Bytes bytes() const { return file_; }
  const Elf64_Ehdr& header() const { return header_; }
  // The program headers. Every segment lies inside the file, except PT_NULL and PT_GNU_STACK.
  const std::vector<Elf64_Phdr>& programs() const { return programs_; }

 private:
  Bytes file_;
  Elf64_Ehdr header_ = {};
  std::vector<Elf64_Phdr> programs_;
};

}  // namespace roboimi::elf
