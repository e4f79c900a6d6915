// A backbone: a module that encodes images, and optionally other streams, into features.
//
// A backbone either fuses all its cameras into one feature vector per time step (joint_output_dim()
// is set) or returns one feature vector per camera (joint_output_dim() is empty). The rest of the
// pipeline is the same in both cases: the agent sizes its condition from feature_dim().
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

  // The image streams (RGB or depth) that encode() needs, in the backbone's order.
  virtual const std::vector<std::string>& camera_names() const = 0;
  // Every stream that encode() needs. The default: camera_names().
  virtual std::vector<std::string> stream_names() const { return camera_names(); }
  // Feature size per camera and time step. A joint backbone returns joint_output_dim().
  virtual std::int64_t output_dim() const = 0;
  // Set if all cameras together give ONE feature vector of this size per time step.
  virtual std::optional<std::int64_t> joint_output_dim() const { return std::nullopt; }
  // True if no parameter or buffer ever changes: the module stays in evaluation mode even after
  // train(), requires_grad is false for every parameter, and the features may be cached.
  virtual bool frozen() const = 0;
  // True if encode() in training mode applies a random transform (such as a crop), so that its
  // features must not be cached.
  virtual bool has_random_transform() const { return false; }

  // The floating-point dtype in which features are cached. encode() returns float32; a backbone
  // whose features are large and tolerate rounding (pixels) may cache them as half.
  virtual at::ScalarType cached_dtype() const { return at::kFloat; }
  // True if features need no normalization by the dataset's statistics, which are then not computed
  // (for example pixels normalized by an encoder's own mean and std).
  virtual bool features_are_normalized() const { return false; }
  // Identifies what the features depend on besides parameters, buffers, cameras and the plugin's
  // build; part of the key of the embedding cache. Empty: the component's whole configuration is
  // used.
  virtual std::string cache_identity() const { return {}; }

  // Encodes `observations`: [B, T, ...] by name, at least the streams in stream_names(),
  // unnormalized. The tensors are not modified. `generator` is for random transforms; evaluation
  // mode draws nothing. Returns float32 [B, T, feature_dim()]; per-camera features are in
  // camera_names() order. Throws Error if a stream is missing or has the wrong dtype, rank or size.
  virtual at::Tensor encode(const Observation& observations, at::Generator& generator) = 0;

  std::int64_t num_cameras() const { return static_cast<std::int64_t>(camera_names().size()); }
  // joint_output_dim() if set, else output_dim() * num_cameras().
  std::int64_t feature_dim() const;

  // For implementations: the images in camera_names() order. Throws Error if one is missing or is
  // not uint8 [B, T, H, W, 3], or if they do not all share B and T.
  std::vector<at::Tensor> ordered_images(const Observation& observations) const;
};

// For constructors: throws Error unless `camera_names` has at least one entry and no duplicates,
// and `spec` has an image stream for each. `where` names the backbone.
ROBOIMI_EXPORT void check_camera_names(const std::vector<std::string>& camera_names,
                                       const ObservationSpec& spec, const std::string& where);

}  // namespace roboimi
