// Images and videos embedded in a page, up to a maximum total size. Internal to suite.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "suite/report_data.h"

namespace roboimi {

class EmbeddedMedia {
 public:
  // A <figure> with the episode's video, whose poster is the trajectory image; without a video, the
  // image. Files are data URIs. A file that would make the page too large is only named.
  std::string figure(const EpisodeMedia& media, const std::string& caption);

 private:
  bool has_room_for(std::uintmax_t size) const;
  std::string embedded(const std::filesystem::path& file);

  std::uintmax_t total_ = 0;  // bytes so far
};

}  // namespace roboimi
