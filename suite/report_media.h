// Pictures and videos inside a page, up to a bound on its size. Internal to suite.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace roboimi {

class EmbeddedMedia {
 public:
  // An <img> or <video> with the file in a data URI; a line with its path once a file or all of
  // them would be too large.
  std::string element(const std::filesystem::path& file, const std::string& caption);

 private:
  std::uintmax_t embedded_ = 0;  // bytes so far
};

}  // namespace roboimi
