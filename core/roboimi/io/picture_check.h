// The input check of image.cpp, jpeg.cpp and video.cpp.
#pragma once

#include <ATen/core/Tensor.h>

namespace roboimi {

// Throws Error "cannot <what>" unless `picture` is a non-empty uint8 [H, W, 3] image.
void check_picture(const at::Tensor& picture, const char* what);

}  // namespace roboimi
