// What image.cpp, jpeg.cpp and video.cpp ask of a picture.
#pragma once

#include <ATen/core/Tensor.h>

namespace roboimi {

// Error "cannot <what>" unless `picture` is uint8 [H, W, 3] and not empty.
void check_picture(const at::Tensor& picture, const char* what);

}  // namespace roboimi
