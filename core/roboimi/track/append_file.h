// A file to which complete records are appended, each in one system call.
#pragma once

#include <filesystem>
#include <string_view>

#include "roboimi/common/export.h"

namespace roboimi {

class ROBOIMI_EXPORT AppendFile {
 public:
  // Creates the file if it does not exist. Throws Error if it cannot be opened or is a symbolic
  // link.
  explicit AppendFile(const std::filesystem::path& path);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  // Throws Error if the disk is full; a partly written record is removed again.
  void append(std::string_view record);
  // Flushes to disk: everything appended so far survives a power failure. Throws Error if the disk
  // reports that it did not.
  void sync();

 private:
  [[noreturn]] void fail(const char* what, int error) const;

  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace roboimi
