// Joining, resizing and normalizing of camera views on a GPU, with two matrix products in half
// precision.
//
//   GpuFusion fusion({256, 256}, 3, options, device);
//   at::Tensor pixels = fusion.fuse({front, top, r_vis});     // as fuse_views() returns it
//
// Libtorch's antialiased resampling gives each thread one output pixel of all images and channels,
// which occupies a fraction of a large GPU, and reads float images, four times the bytes. Here the
// views are converted to planes in half precision, which represents bytes exactly, and resampled by
// products with the matrices of weights: P [N * 3 * H, W] Rw^T, then Rh P. Rounding of weights and
// of the two results to half precision changes a pixel by less than kMostGrayLevels.
//
// For 512 frames of three 256x256 views to 224x224, bytes moved: read 302 MB and write 604 MB of
// planes, 780 MB in the first product, 330 MB in the second, 460 MB to float, 1.2 GB to normalize:
// 3.7 GB, and 174 GFLOP on tensor cores.
#pragma once

#include <c10/core/Device.h>

#include <vector>

#include "modules/view_fusion/view_fusion.h"

namespace roboimi::view_fusion {

class GpuFusion {
 public:
  static constexpr double kMostGrayLevels = 0.25;

  // For `count` views of the size `view`.
  GpuFusion(const ImageSize& view, std::int64_t count, const FusionOptions& options,
            c10::Device device);

  // uint8 [N, H, W, 3] each, on the device -> float [N, 3, height, width], contiguous.
  at::Tensor fuse(const std::vector<at::Tensor>& views) const;

 private:
  ImageSize view_, joined_, size_;
  FusionLayout layout_;
  at::Tensor columns_;  // half [joined width, width], Rw^T
  at::Tensor rows_;     // half [height, joined height], Rh
};

// fuse_views() by a GpuFusion where it can be used: for views on a GPU, after it has agreed with
// fuse_views() on random images to kMostGrayLevels.
at::Tensor fuse_views_fast(const std::vector<at::Tensor>& views, const FusionOptions& options);

}  // namespace roboimi::view_fusion
