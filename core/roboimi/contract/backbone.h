// A visual encoder.
//
// A backbone either fuses all its cameras into one feature per time step (joint_output_dim() is
// set) or gives one feature per camera (joint_output_dim() is empty). Nothing else in the pipeline
// differs: the agent sizes its condition from feature_dim().
#pragma once

#include <torch/nn/module.h>

#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/observation.h"

namespace roboimi {

class ROBOIMI_EXPORT Backbone : public torch::nn::Module {
 public:
  ~Backbone() override;

  // The cameras encode() needs, in the backbone's own order.
  virtual const std::vector<std::string>& camera_names() const = 0;
  // Numbers per camera per time step. A joint backbone returns joint_output_dim().
  virtual std::int64_t output_dim() const = 0;
  // Set when all cameras give ONE feature of this size per time step.
  virtual std::optional<std::int64_t> joint_output_dim() const { return std::nullopt; }
  // True when no parameter or buffer ever changes: the module is in evaluation mode whatever
  // train() says, requires_grad is false everywhere, and its features may be cached.
  virtual bool frozen() const = 0;
  // True when encode() in training mode draws random numbers (crops), so that caching would change
  // it.
  virtual bool has_random_transform() const { return false; }

  // The type in which features are cached: a float type. Features are float32 numbers; a backbone
  // whose features are many and coarse (pixels) may keep them in half.
  virtual at::ScalarType cached_dtype() const { return at::kFloat; }
  // True when features need no normalization by the data's statistics, which are then not taken
  // (pixels normalized by an encoder's mean and std).
  virtual bool features_are_normalized() const { return false; }
  // Names what the features depend on, beside parameters, buffers, cameras and the plugin's build.
  // Empty: everything that the configuration says of the component.
  virtual std::string cache_identity() const { return {}; }

  // images: camera -> uint8 [B, T, H, W, 3], at least the cameras of camera_names(), in any order;
  // the tensors are not written. `generator` is for random transforms; evaluation draws nothing.
  // Returns float32 [B, T, feature_dim()]; per-camera features follow camera_names() order.
  // Error: a camera missing, a wrong dtype, rank or size.
  virtual at::Tensor encode(const Images& images, at::Generator& generator) = 0;

  std::int64_t num_cameras() const { return static_cast<std::int64_t>(camera_names().size()); }
  // joint_output_dim() where set, else output_dim() * num_cameras().
  std::int64_t feature_dim() const;
  // Condition tokens per time step when features are kept apart: 1 if joint, else num_cameras().
  std::int64_t tokens_per_step() const;

  // For implementations: checks what encode() was given against camera_names() and uint8 [B, T, H,
  // W, 3], and returns the tensors in camera_names() order. All must share B and T.
  std::vector<at::Tensor> ordered_images(const Images& images) const;
};

// For constructors: Error unless `camera_names` names at least one camera, each once, and `spec`
// has them all. `where` names the backbone.
ROBOIMI_EXPORT void check_camera_names(const std::vector<std::string>& camera_names,
                                       const ObservationSpec& spec, const std::string& where);

}  // namespace roboimi
