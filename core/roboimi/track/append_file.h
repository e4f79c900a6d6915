// A file that grows by whole records: each reaches the system in one write.
#pragma once

#include <filesystem>
#include <string_view>

#include "roboimi/common/export.h"

namespace roboimi {

class ROBOIMI_EXPORT AppendFile {
 public:
  // Created when missing. Error when it cannot be opened, or is a link.
  explicit AppendFile(const std::filesystem::path& path);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  // Error when the disk is full; a record written in part is cut off again.
  void append(std::string_view record);
  void sync();

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace roboimi
