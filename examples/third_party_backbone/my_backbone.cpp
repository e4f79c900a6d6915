#include "my_backbone.h"

#include <ATen/ATen.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include "roboimi/plugin/plugin.h"

namespace roboimi::my_backbone {
namespace {

namespace nn = torch::nn;

void add_stage(nn::Sequential& stages, std::int64_t from, std::int64_t to) {
  stages->push_back(nn::Conv2d(nn::Conv2dOptions(from, to, 3).stride(2).padding(1)));
  stages->push_back(nn::GroupNorm(nn::GroupNormOptions(4, to)));
  stages->push_back(nn::ReLU());
}

nn::Sequential make_encoder(std::int64_t width) {
  nn::Sequential stages;
  add_stage(stages, 3, width);
  add_stage(stages, width, 2 * width);
  add_stage(stages, 2 * width, 4 * width);
  return stages;
}

}  // namespace

MyBackbone::MyBackbone(std::int64_t width, std::int64_t output_dim, const ObservationSpec& spec)
    : cameras_(spec.camera_names()), output_dim_(output_dim) {
  check_camera_names(cameras_, spec, "my_backbone");
  for (const std::string& camera : cameras_) {
    nn::Sequential encoder = make_encoder(width);
    encoder->push_back(nn::Conv2d(nn::Conv2dOptions(4 * width, output_dim, 1)));
    encoders_[camera] = register_module("encoder_" + camera, encoder);
  }
}

at::Tensor MyBackbone::encode(const Observation& images, at::Generator&) {
  const std::vector<at::Tensor> ordered = ordered_images(images);  // in the order of camera_names()
  std::vector<at::Tensor> features;
  for (std::size_t i = 0; i < cameras_.size(); ++i) {
    const std::int64_t batch = ordered[i].size(0), steps = ordered[i].size(1);
    const at::Tensor pixels = ordered[i].flatten(0, 1).permute({0, 3, 1, 2}).to(at::kFloat) / 255;
    const at::Tensor maps = encoders_.at(cameras_[i])->forward(pixels);
    // Features are float32 even if the convolutions run in bfloat16.
    features.push_back(maps.mean({2, 3}).to(at::kFloat).view({batch, steps, output_dim_}));
  }
  return at::cat(features, -1);
}

Schema schema() {
  Schema s;
  s.integer("width", 16, "channels of the first stage; a multiple of 4").range(4, 256);
  s.integer("output_dim", 64, "features per camera").at_least(1);
  return s;
}

std::shared_ptr<Backbone> create(const Options& options, const ObservationSpec& spec) {
  const std::int64_t width = options.integer("width");
  if (width % 4 != 0) options.fail("width", "not divisible by 4", "a multiple of 4");
  return std::make_shared<MyBackbone>(width, options.integer("output_dim"), spec);
}

}  // namespace roboimi::my_backbone

ROBOIMI_PLUGIN("my_backbone", "1.0.0", "An example backbone outside the source tree") {
  registrar.add<roboimi::Backbone>({.name = "my_backbone",
                                    .description = "a small ConvNet, one feature per camera",
                                    .schema = roboimi::my_backbone::schema(),
                                    .create = roboimi::my_backbone::create});
}
