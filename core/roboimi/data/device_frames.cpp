#include "roboimi/data/device_frames.h"

#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>

#include <algorithm>

namespace roboimi {
namespace {

constexpr std::size_t kRowsCopiedAtOnce = 256;

std::vector<FrameIndex> all_rows(const Dataset& dataset,
                                 const std::vector<std::int64_t>& episodes) {
  std::vector<FrameIndex> rows;
  for (const std::int64_t episode : episodes) {
    for (std::int64_t row = 0; row < dataset.episode(episode).length; ++row) {
      rows.push_back({.episode = episode, .row = row});
    }
  }
  return rows;
}

// Frames [n, ...] as rows [n, k]. Copying words is several times faster than copying bytes.
at::Tensor as_words(const at::Tensor& frames) {
  const at::Tensor rows = frames.flatten(1);
  const auto row_bytes = static_cast<std::size_t>(rows.size(1)) * rows.element_size();
  return row_bytes % sizeof(std::int64_t) == 0 ? rows.view(at::kLong) : rows;
}

}  // namespace

DeviceFrames::DeviceFrames(const FrameStore& frames, const Dataset& dataset,
                           const std::vector<std::int64_t>& episodes, c10::Device device) {
  const std::vector<FrameIndex> rows = all_rows(dataset, episodes);
  for (std::size_t start = 0; start < rows.size(); start += kRowsCopiedAtOnce) {
    const std::size_t end = std::min(rows.size(), start + kRowsCopiedAtOnce);
    const std::vector<FrameIndex> some(rows.begin() + static_cast<std::ptrdiff_t>(start),
                                       rows.begin() + static_cast<std::ptrdiff_t>(end));
    for (const auto& [name, values] : frames.gather(some, /*pinned=*/device.is_cuda())) {
      const at::Tensor words = as_words(values);
      Camera& camera = cameras_[name];
      if (!camera.table.defined()) {
        camera.table = at::empty({static_cast<std::int64_t>(rows.size()), words.size(1)},
                                 words.options().device(device).pinned_memory(false));
        camera.shape = values.sizes().slice(1).vec();
        camera.dtype = values.scalar_type();
      }
      camera.table.slice(0, static_cast<std::int64_t>(start), static_cast<std::int64_t>(end))
          .copy_(words);
    }
  }
}

Observation DeviceFrames::rows(const at::Tensor& indices) const {
  Observation images;
  for (const auto& [name, camera] : cameras_) {
    std::vector<std::int64_t> shape = indices.sizes().vec();
    shape.insert(shape.end(), camera.shape.begin(), camera.shape.end());
    images[name] = camera.table.index_select(0, indices.flatten()).view(camera.dtype).view(shape);
  }
  return images;
}

std::uint64_t DeviceFrames::bytes(const FrameStore& frames, const Dataset& dataset,
                                  const std::vector<std::int64_t>& episodes) {
  std::uint64_t count = 0;
  for (const std::int64_t episode : episodes) {
    count += static_cast<std::uint64_t>(dataset.episode(episode).length);
  }
  std::uint64_t frame_bytes = 0;
  for (const auto& [name, values] : frames.gather({{.episode = episodes.front(), .row = 0}})) {
    frame_bytes += values.nbytes();
  }
  return count * frame_bytes;
}

std::uint64_t DeviceFrames::most_bytes(c10::Device device) {
  const c10::DeviceIndex index = device.has_index() ? device.index() : c10::DeviceIndex(0);
  return at::accelerator::getMemoryInfo(index).first / 3;
}

}  // namespace roboimi
