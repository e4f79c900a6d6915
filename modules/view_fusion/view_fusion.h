// Functions that join camera views into one image, and resize and normalize it like in LEWM's
// training.
//
//   FusionOptions options{.layout = FusionLayout::kHorizontal, .height = 224, .width = 224};
//   at::Tensor pixels = fuse_views({front, top, r_vis}, options);   // [N, 3, 224, 224]
//
// The result equals these steps: join the bytes, divide by 255, subtract ImageNet's mean, divide by
// its standard deviation, then resize (bilinear, antialiased). Because resampling weights sum to
// one, the implementation applies the affine map last, where it is cheapest; the results agree up
// to float rounding.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "roboimi/contract/observation.h"

namespace roboimi::view_fusion {

enum class FusionLayout {
  kHorizontal,  // side by side, first view left
  kVertical,    // first view on top
  kGrid,        // rows of two (2x2 for three or four views); an empty cell is black
};
enum class FusionResize {
  kExact,        // to height x width, regardless of the aspect ratio
  kShorterSide,  // shorter side to shorter_side, keeping the aspect ratio (longer side rounded
                 // down)
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

// Returns the image size of all these cameras in `spec`. Throws Error, with `where` as its
// location, if there are no cameras, duplicates, cameras that are not in `spec`, or different
// sizes.
ImageSize check_fusable(const std::vector<std::string>& camera_names, const ObservationSpec& spec,
                        const std::string& where);

// The size of `count` joined views, and the size after resizing the joined image.
ImageSize joined_size(const ImageSize& view, std::int64_t count, FusionLayout layout);
ImageSize resized_size(const ImageSize& joined, const FusionOptions& options);

// Joins views, uint8 [N, H, W, 3] each, to uint8 [N, joined H, joined W, 3]. Throws Error with the
// sizes if they differ.
at::Tensor join_views(const std::vector<at::Tensor>& views, FusionLayout layout);

// Throws Error with the sizes if the views, uint8 [N, H, W, 3] each, differ in size.
void check_joinable(const std::vector<at::Tensor>& views);
// Replaces pixels [N, 3, H, W], floating, from 0 to 255, by their normalized values.
void normalize_bytes_(const at::Tensor& pixels);

// uint8 [N, H, W, 3] -> float [N, 3, height, width], contiguous, normalized and resized.
at::Tensor normalize_and_resize(const at::Tensor& images, const ImageSize& size);
// The same, composed of ATen operators; works on any device.
at::Tensor normalize_and_resize_composed(const at::Tensor& images, const ImageSize& size);

// join_views(), then normalize_and_resize() according to `options`.
at::Tensor fuse_views(const std::vector<at::Tensor>& views, const FusionOptions& options);

}  // namespace roboimi::view_fusion
