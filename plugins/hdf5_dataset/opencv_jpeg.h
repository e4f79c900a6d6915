// Frames that OpenCV compressed.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace roboimi::hdf5_dataset {

// uint8 [H, W, 3] with the channels as cv2.imdecode would give them: OpenCV encodes the bytes of an
// array as blue, green, red, and its reader gives them back in the same order; an RGB decoder gives
// the reverse. An Error names the file, the camera and the row.
at::Tensor decode_as_opencv(std::span<const std::uint8_t> jpeg, const std::filesystem::path& file,
                            const std::string& camera, std::int64_t row);

}  // namespace roboimi::hdf5_dataset
