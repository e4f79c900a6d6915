// Appends bytes to a file and says so when the disk does not take them.
#pragma once

#include <cstdint>
#include <filesystem>

#include "roboimi/common/export.h"

namespace roboimi {

class ROBOIMI_EXPORT BinaryFile {
 public:
  // Opens for appending; the file is created when absent, and cut to `keep` bytes.
  // A link in its place is an Error: what it leads to is not this program's.
  explicit BinaryFile(const std::filesystem::path& path, std::uint64_t keep = 0);
  ~BinaryFile();
  BinaryFile(const BinaryFile&) = delete;
  BinaryFile& operator=(const BinaryFile&) = delete;

  // Error with the reason (ENOSPC and EFBIG in words).
  void append(const void* data, std::size_t size);
  // What was appended survives a power failure after this.
  void sync();

 private:
  [[noreturn]] void fail(const char* what, int error) const;

  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace roboimi
