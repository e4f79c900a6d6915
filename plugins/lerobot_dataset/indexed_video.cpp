#include "plugins/lerobot_dataset/indexed_video.h"

#include <ATen/Parallel.h>

#include <cstdint>

#include "roboimi/io/video_reader.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

IndexedVideo index_video(const fs::path& file) {
  IndexedVideo video{.times = {.file = file}};
  try {
    const VideoReader reader(file);
    video.times.seconds = reader.times();
    video.times.duration = reader.duration();
    video.size = reader.size();
    video.times.offset = reader.offset();
  } catch (const Error& error) {
    video.error = error.parts();
  }
  return video;
}

}  // namespace

void index_videos(const std::vector<fs::path>& files, IndexedVideos& videos) {
  std::vector<IndexedVideo*> added;
  for (const fs::path& file : files) {
    const auto [place, is_new] = videos.try_emplace(file);
    if (!is_new) continue;
    place->second.times.file = file;
    added.push_back(&place->second);
  }
  at::parallel_for(0, std::ssize(added), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      *added[i] = index_video(added[i]->times.file);
    }
  });
}

}  // namespace roboimi::lerobot_dataset
