// Several camera views joined into one image, resized and normalised as LEWM was trained.
//
//   FusionOptions options{.layout = FusionLayout::kHorizontal, .height = 224, .width = 224};
//   at::Tensor pixels = fuse_views({front, top, r_vis}, options);   // [N, 3, 224, 224]
//
// The result is that of: join the bytes, float / 255, subtract ImageNet's mean, divide by its
// standard deviation, then resize (bilinear, antialias). Resampling weights sum to one, so the
// affine map may come last, where it costs least; the two agree to float rounding.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "roboimi/contract/observation.h"

namespace roboimi::view_fusion {

enum class FusionLayout {
  kHorizontal,  // side by side, first view left
  kVertical,    // first view on top
  kGrid,        // rows of two; 2x2 for three or four views, the cell without a view is black
};
enum class FusionResize {
  kExact,        // to height x width, whatever the aspect
  kShorterSide,  // the shorter side to shorter_side, aspect kept (the longer is rounded down)
};

const char* to_string(FusionLayout layout);  // "horizontal", "vertical", "grid"
const char* to_string(FusionResize resize);  // "exact", "shorter_side"

struct FusionOptions {
  FusionLayout layout = FusionLayout::kHorizontal;
  FusionResize resize = FusionResize::kExact;
  std::int64_t height = 224;        // pixels, for kExact
  std::int64_t width = 224;         // pixels, for kExact
  std::int64_t shorter_side = 224;  // pixels, for kShorterSide
};

// The size that all cameras named have in `spec`. Error, from `where`: no camera or one named
// twice, a camera that `spec` lacks, cameras of different sizes.
ImageSize check_fusable(const std::vector<std::string>& camera_names, const ObservationSpec& spec,
                        const std::string& where);

// The size of `count` views of one size, joined, and of the joined image resized.
ImageSize joined_size(const ImageSize& view, std::int64_t count, FusionLayout layout);
ImageSize resized_size(const ImageSize& joined, const FusionOptions& options);

// views: each uint8 [N, H, W, 3], all of one shape -> uint8 [N, joined H, joined W, 3]. Error that
// names the sizes when they differ.
at::Tensor join_views(const std::vector<at::Tensor>& views, FusionLayout layout);

// uint8 [N, H, W, 3] -> float [N, 3, height, width], contiguous, normalized and resized.
at::Tensor normalize_and_resize(const at::Tensor& images, const ImageSize& size);
// The same made of ATen's operators, on any device.
at::Tensor normalize_and_resize_composed(const at::Tensor& images, const ImageSize& size);

// join_views, then normalize_and_resize by the options.
at::Tensor fuse_views(const std::vector<at::Tensor>& views, const FusionOptions& options);

}  // namespace roboimi::view_fusion
