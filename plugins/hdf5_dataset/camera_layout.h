// Detection of how a camera's frames are stored in an episode, with errors that explain how to
// convert unsupported layouts.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "plugins/hdf5_dataset/hdf5_file.h"

namespace roboimi::hdf5_dataset {

enum class FrameStorage {
  kPlain,          // uint8 [L, H, W, 3]
  kPaddedRows,     // encoded: bytes [L, N], or fixed-length strings or opaque elements [L]
  kVariableBytes,  // encoded: lists of bytes [L] or [L, 1]
};

// The storage of dataset `name`, which must have `num_rows` rows. An Error names the camera,
// describes its dataset and suggests how to make it readable.
FrameStorage frame_storage(const Hdf5File& file, const std::string& name, const std::string& camera,
                           std::int64_t num_rows);

// Whether a dataset holds color frames, in a layout that frame_storage() accepts or not: lists of
// bytes, [L, H, W, 3] or [L, 3, H, W] of bytes or floats, or bytes [L, H, W, 4].
bool seems_color(const ElementType& type, const std::vector<std::int64_t>& shape);

// The names of the datasets and groups below `group`, except depth images: numbers of more than a
// byte, [L, H, W] or [L, H, W, 1]. In the order of the group's attribute `names`, if it has one.
std::vector<std::string> color_cameras(const Hdf5File& file, const std::string& group);

// The bytes of a range of encoded frames.
class EncodedFrames {
 public:
  // Reads rows [first, first + count).
  EncodedFrames(const Hdf5File& file, const std::string& name, FrameStorage storage,
                std::int64_t first, std::int64_t count);
  std::span<const std::uint8_t> operator[](std::int64_t i) const;

 private:
  at::Tensor padded_;  // uint8 [count, N]; undefined for lists
  std::vector<std::vector<std::uint8_t>> lists_;
};

}  // namespace roboimi::hdf5_dataset
