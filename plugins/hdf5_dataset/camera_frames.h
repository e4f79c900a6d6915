// Reading of a camera's frames from a dataset of an HDF5 file, plain or encoded.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plugins/hdf5_dataset/hdf5_file.h"
#include "roboimi/contract/dataset.h"

namespace roboimi::hdf5_dataset {

// The size of the frames in dataset `name`, which must have `num_rows` rows. Decodes the first
// frame if frames are encoded. Throws Error for an unsupported layout.
ImageSize frame_size(const Hdf5File& file, const std::string& name, const std::string& camera,
                     std::int64_t num_rows);

// Rows [first, first + count) of the frames, uint8 [count, H, W, 3]. Throws Error if a frame cannot
// be decoded or does not have the size `size`.
at::Tensor read_frames(const Hdf5File& file, const std::string& name, const std::string& camera,
                       ImageSize size, std::int64_t num_rows, std::int64_t first,
                       std::int64_t count);

// The positions of uncompressed frames in their files, computed once per dataset. Safe to use from
// several threads at once.
class FrameOffsets {
 public:
  // Empty if the dataset's frames cannot be memory-mapped.
  std::optional<FrameExtent> find(const std::filesystem::path& file, const std::string& name,
                                  std::int64_t row);

 private:
  std::mutex mutex_;
  std::map<std::pair<std::filesystem::path, std::string>, std::vector<std::uint64_t>> offsets_;
};

}  // namespace roboimi::hdf5_dataset
