// The input check of image.cpp, jpeg.cpp and video.cpp.
#pragma once

#include <ATen/core/Tensor.h>

namespace roboimi {

// Throws Error "cannot <what>" unless `image` is a non-empty uint8 [H, W, 3] tensor.
void check_image(const at::Tensor& image, const char* what);

}  // namespace roboimi
