// What is known about a video file without decoding more than its first frame.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <vector>

#include "plugins/lerobot_dataset/video_windows.h"
#include "roboimi/common/error.h"
#include "roboimi/contract/observation.h"

namespace roboimi::lerobot_dataset {

struct IndexedVideo {
  VideoTimes times;
  ImageSize size = {};
  std::optional<Error::Parts> error = {};  // why the file cannot be read
};

using IndexedVideos = std::map<std::filesystem::path, IndexedVideo>;  // by file

// Adds the files that are not in `videos` yet. They are read in parallel.
void index_videos(const std::vector<std::filesystem::path>& files, IndexedVideos& videos);

}  // namespace roboimi::lerobot_dataset
