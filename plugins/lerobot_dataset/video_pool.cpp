#include "plugins/lerobot_dataset/video_pool.h"

#include <algorithm>
#include <thread>

namespace roboimi::lerobot_dataset {
namespace {

constexpr std::size_t kMostIdle = 16;  // open files with a decoder each
constexpr int kMostThreads = 4;        // of a decoder

int decoder_threads() {
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, kMostThreads);
}

}  // namespace

// A reader of the file that no other thread uses, as a list with one element.
std::list<VideoPool::Entry> VideoPool::take(const std::filesystem::path& file, std::int64_t first) {
  std::list<Entry> taken;
  {
    const std::lock_guard lock(mutex_);
    auto best = idle_.end();
    for (auto entry = idle_.begin(); entry != idle_.end(); ++entry) {
      if (entry->file != file) continue;
      if (best == idle_.end() || entry->next == first) best = entry;
      if (entry->next == first) break;
    }
    if (best != idle_.end()) taken.splice(taken.begin(), idle_, best);
  }
  if (taken.empty()) {
    taken.push_back({.file = file, .reader = VideoReader(file, decoder_threads())});
  }
  return taken;
}

at::Tensor VideoPool::read(const std::filesystem::path& file, std::int64_t first,
                           std::int64_t count) {
  std::list<Entry> taken = take(file, first);
  const at::Tensor frames = taken.front().reader.read(first, count);
  taken.front().next = first + count;
  std::list<Entry> closed;  // outside the lock
  const std::lock_guard lock(mutex_);
  idle_.splice(idle_.begin(), taken);
  while (idle_.size() > kMostIdle) closed.splice(closed.end(), idle_, std::prev(idle_.end()));
  return frames;
}

}  // namespace roboimi::lerobot_dataset
