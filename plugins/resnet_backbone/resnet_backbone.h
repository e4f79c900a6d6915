// A ResNet backbone with one feature per camera and time step.
//
//   ResNetBackboneOptions options{.depth = 18, .crop = {216, 216}};
//   ResNetBackbone backbone(options, spec);
//   at::Tensor features = backbone.encode(images, generator);   // [B, T, cameras * 64]
//
// A frame is resized, cropped, normalized with ImageNet's statistics, encoded and pooled. In
// training the crop window is random, one per sample and camera and the same for all steps of a
// sample; otherwise it is centered.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "modules/resnet/resnet.h"
#include "roboimi/config/schema.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/io/checkpoint_file.h"

namespace roboimi::resnet_backbone {

enum class Pooling { kSpatialSoftmax, kAverage };

struct ResNetBackboneOptions {
  std::int64_t depth = 18;  // 18, 34 or 50
  resnet::ResNetNorm norm =
      resnet::ResNetNorm::kGroup;  // kBatch: statistics and affine weights stay as loaded
  Pooling pooling = Pooling::kSpatialSoftmax;
  std::int64_t keypoints = 32;  // of the spatial softmax; two features each
  bool shared = false;          // one encoder for all cameras
  bool frozen = false;
  std::vector<std::string> camera_names;            // empty: the ObservationSpec's
  std::optional<ImageSize> resize;                  // of each camera's image, before the crop
  std::optional<ImageSize> crop;                    // random in training, centered in evaluation
  std::optional<std::filesystem::path> checkpoint;  // torchvision's weights for every encoder
  std::string state_dict = {};  // which weights in the file; empty: the only ones
};

class ResNetBackbone : public Backbone {
 public:
  // Throws Error if `spec` lacks a camera, the crop is larger than an image, or the weights do not
  // fit.
  ResNetBackbone(ResNetBackboneOptions options, const ObservationSpec& spec);
  ~ResNetBackbone() override;

  const std::vector<std::string>& camera_names() const override { return options_.camera_names; }
  std::int64_t output_dim() const override { return output_dim_; }
  bool frozen() const override { return options_.frozen; }
  bool has_random_transform() const override { return options_.crop.has_value(); }
  at::Tensor encode(const Observation& images, at::Generator& generator) override;

  // Frozen encoders and all BatchNorms stay in evaluation mode.
  void train(bool on = true) override;

  // Copies torchvision's entries (conv1.weight, layer1.0.bn1.running_mean, ...) into every encoder,
  // as load_resnet() does.
  void load_weights(const CheckpointFile& file, const std::string& source);

 private:
  at::Tensor prepare(const at::Tensor& image, at::Generator& generator) const;
  at::Tensor crop(const at::Tensor& pixels, std::int64_t steps, at::Generator& generator) const;
  void freeze();

  ResNetBackboneOptions options_;
  std::int64_t output_dim_ = 0;
  // Set by train(true), also for a frozen backbone: encode() then uses random crops.
  bool random_crops_ = true;
  std::vector<resnet::ResNet> encoders_;       // one, or one per camera
  std::vector<resnet::SpatialSoftmax> pools_;  // as many; empty for the average
};

Schema schema();
std::shared_ptr<Backbone> create(const Options& options, const ObservationSpec& spec);

}  // namespace roboimi::resnet_backbone
