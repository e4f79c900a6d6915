#include "modules/view_fusion/fused_pixels.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "modules/view_fusion/gpu_fusion.h"
#include "roboimi/common/error.h"

namespace roboimi::view_fusion {

FusedPixels::FusedPixels(std::vector<std::string> camera_names, const FusionOptions& fusion,
                         const ObservationSpec& spec)
    : camera_names_(std::move(camera_names)), fusion_(fusion) {
  const ImageSize view = check_fusable(camera_names_, spec, "fused pixels");
  size_ = resized_size(joined_size(view, std::ssize(camera_names_), fusion_.layout), fusion_);
}

std::string FusedPixels::cache_identity() const {
  return fmt::format("fused pixels 1: {} {} {}x{}", to_string(fusion_.layout),
                     to_string(fusion_.resize), size_.height, size_.width);
}

at::Tensor FusedPixels::encode(const Observation& images, at::Generator& /*generator*/) {
  std::vector<at::Tensor> views = ordered_images(images);
  const std::int64_t batch = views[0].size(0), steps = views[0].size(1);
  for (at::Tensor& view : views) view = view.flatten(0, 1);
  return fuse_views_fast(views, fusion_).view({batch, steps, output_dim()});
}

}  // namespace roboimi::view_fusion
