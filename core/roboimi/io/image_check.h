// The input checks of image.cpp, jpeg.cpp and video.cpp.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace roboimi {

// The largest image that is decoded: a file of a few hundred bytes can claim gigabytes.
inline constexpr std::int64_t kMaxPixels = std::int64_t{1} << 27;

// Throws Error "cannot <what>" unless `image` is a non-empty uint8 [H, W, 3] tensor.
void check_image(const at::Tensor& image, const char* what);

}  // namespace roboimi
