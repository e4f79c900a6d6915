#include "plugins/hdf5_dataset/camera_frames.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "plugins/hdf5_dataset/camera_layout.h"
#include "plugins/hdf5_dataset/encoded_frame.h"
#include "roboimi/common/error.h"

namespace roboimi::hdf5_dataset {

ImageSize frame_size(const Hdf5File& file, const std::string& name, const std::string& camera,
                     std::int64_t num_rows) {
  const FrameStorage storage = frame_storage(file, name, camera, num_rows);
  if (storage == FrameStorage::kPlain) {
    const std::vector<std::int64_t> shape = file.shape(name);
    return {.height = shape[1], .width = shape[2]};
  }
  const EncodedFrames first(file, name, storage, 0, 1);
  const at::Tensor frame = decode_frame(first[0], file.path(), camera, 0);
  return {.height = frame.size(0), .width = frame.size(1)};
}

at::Tensor read_frames(const Hdf5File& file, const std::string& name, const std::string& camera,
                       ImageSize size, std::int64_t num_rows, std::int64_t first,
                       std::int64_t count) {
  const FrameStorage storage = frame_storage(file, name, camera, num_rows);
  if (storage == FrameStorage::kPlain) return file.read_bytes(name, first, count);

  // Encoded frames are read under the library's lock, then decoded in parallel.
  const EncodedFrames encoded(file, name, storage, first, count);
  at::Tensor decoded = at::empty({count, size.height, size.width, 3}, at::kByte);
  at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const at::Tensor frame = decode_frame(encoded[i], file.path(), camera, first + i);
      if (frame.size(0) != size.height || frame.size(1) != size.width) {
        throw Error(
            {.what = fmt::format("row {} of camera '{}' has a different size", first + i, camera),
             .where = file.path().string(),
             .expected = fmt::format("{}x{}", size.height, size.width),
             .found = fmt::format("{}x{}", frame.size(0), frame.size(1)),
             .next = "store the episode again with frames of one size, or leave it out with "
                     "data.episodes"});
      }
      decoded[i].copy_(frame);
    }
  });
  return decoded;
}

std::optional<FrameExtent> FrameOffsets::find(const std::filesystem::path& path,
                                              const std::string& name, std::int64_t row) {
  const std::lock_guard lock(mutex_);
  const auto [found, is_new] = offsets_.try_emplace({path, name});
  if (is_new) {
    const Hdf5File file(path);
    if (file.shape(name).size() == 4) found->second = file.row_offsets(name);
  }
  if (found->second.empty()) return std::nullopt;
  return FrameExtent{.file = path, .offset = found->second.at(static_cast<std::size_t>(row))};
}

}  // namespace roboimi::hdf5_dataset
