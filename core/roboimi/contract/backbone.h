// A backbone: encodes images, and where it wants to other streams, into features.
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

  // The image streams (RGB or depth) that encode() needs, in the backbone's own order.
  virtual const std::vector<std::string>& camera_names() const = 0;
  // Every stream that encode() needs. The default: camera_names().
  virtual std::vector<std::string> stream_names() const { return camera_names(); }
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

  // observations: [B, T, ...] by name, at least those of stream_names(), raw; the tensors are not
  // written. `generator` is for random transforms; evaluation draws nothing.
  // Returns float32 [B, T, feature_dim()]; per-camera features follow camera_names() order.
  // Error: a stream missing, a wrong dtype, rank or size.
  virtual at::Tensor encode(const Observation& observations, at::Generator& generator) = 0;

  std::int64_t num_cameras() const { return static_cast<std::int64_t>(camera_names().size()); }
  // joint_output_dim() where set, else output_dim() * num_cameras().
  std::int64_t feature_dim() const;

  // For implementations: checks what encode() was given against camera_names() and uint8 [B, T, H,
  // W, 3], and returns the tensors in camera_names() order. All must share B and T.
  std::vector<at::Tensor> ordered_images(const Observation& observations) const;
};

// For constructors: Error unless `camera_names` names at least one image stream, each once, and
// `spec` has them all. `where` names the backbone.
ROBOIMI_EXPORT void check_camera_names(const std::vector<std::string>& camera_names,
                                       const ObservationSpec& spec, const std::string& where);

}  // namespace roboimi
