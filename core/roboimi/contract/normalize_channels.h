// Per-channel image normalization, without constant tensors that each step would copy to the GPU.
//
//   at::Tensor pixels = frames.permute({0, 3, 1, 2}).to(at::kFloat).div(255.0).contiguous();
//   normalize_channels_(pixels, kImageNetMean, kImageNetStd);
#pragma once

#include <ATen/core/Tensor.h>

#include "roboimi/common/export.h"

namespace roboimi {

// Replaces pixels [N, C, H, W], floating, by (pixel - mean[c]) / std[c]. mean and std have C
// elements.
ROBOIMI_EXPORT void normalize_channels_(const at::Tensor& pixels, at::ArrayRef<double> mean,
                                        at::ArrayRef<double> std);

}  // namespace roboimi
