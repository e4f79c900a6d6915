// The orientation of a photograph, which cameras store beside the pixels instead of turning these.
// LeRobot, which reads images with the package datasets, turns them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

namespace roboimi::lerobot_dataset {

// The EXIF orientation of a JPEG, 1 to 8; 1, upright, if there is none or it cannot be read.
int jpeg_orientation(std::span<const std::uint8_t> jpeg);

// The image [H, W, 3] turned and mirrored to be upright.
at::Tensor upright(const at::Tensor& image, int orientation);

}  // namespace roboimi::lerobot_dataset
