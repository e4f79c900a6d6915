// A bounds-checked view of an ELF64 shared library in memory, whatever its bytes are.
//
//   Error::Parts problem;
//   auto view = elf::View::of({file.data(), file.size()}, problem);
//   for (const Elf64_Phdr& program : view->programs()) ... view->bytes().subspan(program.p_offset,
//   ...)
//
// It reads nothing outside the given bytes and trusts no offset, size or count in them, so it may
// be given hostile files. Not installed API.
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

// `count` bytes from `offset`, or empty when they are not all there.
inline std::optional<Bytes> slice(Bytes bytes, std::uint64_t offset, std::uint64_t count) {
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

class ROBOIMI_EXPORT View {
 public:
  // Empty when `file` is no shared library for this machine, or when a segment reaches beyond its
  // end (such a file would kill the process that opens it); `problem` then says which.
  static std::optional<View> of(Bytes file, Error::Parts& problem);

  Bytes bytes() const { return file_; }
  const Elf64_Ehdr& header() const { return header_; }
  // Every segment but empty entries and the stack's lies inside the file.
  const std::vector<Elf64_Phdr>& programs() const { return programs_; }

 private:
  Bytes file_;
  Elf64_Ehdr header_ = {};
  std::vector<Elf64_Phdr> programs_;
};

}  // namespace roboimi::elf
