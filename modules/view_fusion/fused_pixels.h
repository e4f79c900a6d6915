// A backbone whose feature is the fused image itself, the input of an encoder in training.
//
//   FusedPixels pixels({"front", "top", "r_vis"}, {.height = 112, .width = 112}, spec);
//   at::Tensor features = pixels.encode(images, generator);   // [B, T, 3 * 112 * 112]
//   at::Tensor input = features.view({-1, 3, 112, 112});      // for VitEncoder
//
// It is frozen and has no weights. For training on a CPU, the frames of a dataset are decoded,
// joined and resized only once, into the embedding cache in half precision (with an error of at
// most 2^-11 of the value, a tenth of a gray level). On a GPU they are joined and resized in every
// step (gpu_fusion.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "modules/view_fusion/view_fusion.h"
#include "roboimi/contract/backbone.h"

namespace roboimi::view_fusion {

class FusedPixels : public Backbone {
 public:
  // Throws Error for a camera that is not in `spec`, or cameras of different sizes.
  FusedPixels(std::vector<std::string> camera_names, const FusionOptions& fusion,
              const ObservationSpec& spec);

  const std::vector<std::string>& camera_names() const override { return camera_names_; }
  std::int64_t output_dim() const override { return 3 * size_.height * size_.width; }
  std::optional<std::int64_t> joint_output_dim() const override { return output_dim(); }
  bool frozen() const override { return true; }
  at::ScalarType cached_dtype() const override { return at::kHalf; }
  bool features_are_normalized() const override { return true; }
  std::string cache_identity() const override;
  at::Tensor encode(const Observation& images, at::Generator& generator) override;

  // The size of the fused image.
  const ImageSize& image_size() const { return size_; }

 private:
  std::vector<std::string> camera_names_;
  FusionOptions fusion_;
  ImageSize size_;
};

}  // namespace roboimi::view_fusion
