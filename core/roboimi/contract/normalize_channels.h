// Image normalization by channel, without constant tensors that a step would copy to its device.
//
//   at::Tensor pixels = frames.permute({0, 3, 1, 2}).to(at::kFloat).div(255.0).contiguous();
//   normalize_channels_(pixels, kImageNetMean, kImageNetStd);
#pragma once

#include <ATen/core/Tensor.h>

#include "roboimi/common/export.h"

namespace roboimi {

// pixels [N, C, H, W], floating; mean and std hold C numbers. In place: (pixel - mean[c]) / std[c].
ROBOIMI_EXPORT void normalize_channels_(const at::Tensor& pixels, at::ArrayRef<double> mean,
                                        at::ArrayRef<double> std);

}  // namespace roboimi
