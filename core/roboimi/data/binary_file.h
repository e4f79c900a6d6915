// A binary file for appending that reports every write error.
#pragma once

#include <cstdint>
#include <filesystem>

#include "roboimi/common/export.h"

namespace roboimi {

class ROBOIMI_EXPORT BinaryFile {
 public:
  // Opens the file for appending, creates it if it does not exist, and truncates it to `keep`
  // bytes. Throws Error if the path is a symbolic link, whose target may be somebody else's file.
  explicit BinaryFile(const std::filesystem::path& path, std::uint64_t keep = 0);
  ~BinaryFile();
  BinaryFile(const BinaryFile&) = delete;
  BinaryFile& operator=(const BinaryFile&) = delete;

  // Throws Error with the reason; ENOSPC and EFBIG are explained in words.
  void append(const void* data, std::size_t size);
  // Flushes to disk: everything appended so far survives a power failure.
  void sync();

 private:
  [[noreturn]] void fail(const char* what, int error) const;

  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace roboimi
