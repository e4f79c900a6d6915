// Open video readers, for reading from several threads: each call takes a reader for itself, if
// possible one that is already at the frames it needs.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <list>
#include <mutex>

#include "roboimi/io/video_reader.h"

namespace roboimi::lerobot_dataset {

class VideoPool {
 public:
  // Frames [first, first + count): uint8 [count, H, W, 3].
  at::Tensor read(const std::filesystem::path& file, std::int64_t first, std::int64_t count);

 private:
  struct Entry {
    std::filesystem::path file;
    std::int64_t next = 0;  // the frame after the last one that was read
    VideoReader reader;
  };
  std::list<Entry> take(const std::filesystem::path& file, std::int64_t first);

  std::mutex mutex_;
  std::list<Entry> idle_;  // the last used first
};

}  // namespace roboimi::lerobot_dataset
