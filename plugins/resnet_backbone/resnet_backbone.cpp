#include "plugins/resnet_backbone/resnet_backbone.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/nn/modules/batchnorm.h>

#include <algorithm>

#include "plugins/resnet_backbone/load_resnet.h"
#include "roboimi/common/error.h"
#include "roboimi/contract/imagenet.h"
#include "roboimi/contract/normalize_channels.h"
#include "roboimi/contract/weights_follow.h"

namespace roboimi::resnet_backbone {
namespace {

constexpr const char* kName = "resnet_backbone";

void check_images(const ResNetBackboneOptions& options, const ObservationSpec& spec) {
  check_camera_names(options.camera_names, spec, kName);
  for (const std::string& camera : options.camera_names) {
    const ImageSize size = options.resize.value_or(spec.image_size(camera));
    if (options.crop && (options.crop->height > size.height || options.crop->width > size.width)) {
      throw Error({.what = fmt::format("the crop is larger than camera '{}'", camera),
                   .where = kName,
                   .expected = fmt::format("at most {}x{}", size.height, size.width),
                   .found = fmt::format("{}x{}", options.crop->height, options.crop->width),
                   .next = "lower crop_height and crop_width"});
    }
  }
}

// The random start of each sample's window along one axis, [samples], on `device`.
at::Tensor offsets(std::int64_t slack, std::int64_t samples, at::Generator& generator,
                   c10::Device device) {
  const auto options = at::TensorOptions().dtype(at::kLong).device(generator.device());
  const at::Tensor drawn = at::randint(slack + 1, {samples}, generator, options);
  return drawn.device() == device ? drawn : drawn.to(device);
}

// The end of the names of a camera's modules, which must not contain dots, as "rgb.head" does. No
// format has cameras with a slash.
std::string suffix_of(std::string camera) {
  std::ranges::replace(camera, '.', '/');
  return "_" + camera;
}

}  // namespace

ResNetBackbone::ResNetBackbone(ResNetBackboneOptions options, const ObservationSpec& spec)
    : options_(std::move(options)) {
  if (options_.camera_names.empty()) options_.camera_names = spec.camera_names();
  check_images(options_, spec);

  // One encoder and pooling layer for all cameras, or one per camera.
  const std::int64_t copies = options_.shared ? 1 : std::ssize(options_.camera_names);
  for (std::int64_t i = 0; i < copies; ++i) {
    const std::string suffix = options_.shared ? "" : suffix_of(options_.camera_names[i]);
    encoders_.push_back(register_module(
        "encoder" + suffix, resnet::ResNet(resnet::ResNetOptions{options_.depth, options_.norm})));
    output_dim_ = encoders_.back()->channels();
    if (options_.pooling == Pooling::kSpatialSoftmax) {
      pools_.push_back(register_module("pool" + suffix,
                                       resnet::SpatialSoftmax(output_dim_, options_.keypoints)));
      output_dim_ = 2 * options_.keypoints;
    }
  }

  // A run's own checkpoint provides all weights, and the original file may be gone.
  if (options_.checkpoint && !WeightsFollow::active()) {
    load_weights(read_checkpoint_file(*options_.checkpoint, options_.state_dict),
                 options_.checkpoint->string());
  }
  freeze();
  train(true);
}

ResNetBackbone::~ResNetBackbone() = default;

void ResNetBackbone::load_weights(const CheckpointFile& file, const std::string& source) {
  for (resnet::ResNet& encoder : encoders_) load_resnet(file, *encoder, source);
}

void ResNetBackbone::freeze() {
  if (options_.frozen) {
    for (at::Tensor& parameter : parameters()) parameter.requires_grad_(false);
  }
  // BatchNorm keeps its loaded statistics and weights: estimates from small batches would be poor.
  for (auto& module : modules(/*include_self=*/false)) {
    if (auto* norm = module->as<torch::nn::BatchNorm2d>()) {
      for (at::Tensor& parameter : norm->parameters()) parameter.requires_grad_(false);
    }
  }
}

void ResNetBackbone::train(bool on) {
  Backbone::train(on && !options_.frozen);
  random_crops_ = on;
  for (auto& module : modules(/*include_self=*/false)) {
    if (auto* norm = module->as<torch::nn::BatchNorm2d>()) norm->train(false);
  }
}

at::Tensor ResNetBackbone::crop(const at::Tensor& pixels, std::int64_t steps,
                                at::Generator& generator) const {
  const ImageSize window = *options_.crop;
  const std::int64_t slack_y = pixels.size(2) - window.height;
  const std::int64_t slack_x = pixels.size(3) - window.width;

  // Evaluation: the center.
  if (!random_crops_) {
    return pixels.slice(2, slack_y / 2, slack_y / 2 + window.height)
        .slice(3, slack_x / 2, slack_x / 2 + window.width);
  }

  // Training: one random window per sample.
  const std::int64_t samples = pixels.size(0) / steps;
  const at::Tensor ys = offsets(slack_y, samples, generator, pixels.device());
  const at::Tensor xs = offsets(slack_x, samples, generator, pixels.device());
  // All windows of a row form one view. The drawn windows are gathered on the pixels' device,
  // because slicing would synchronize with it to read the offsets.
  const at::Tensor places = pixels.unfold(3, window.width, 1).permute({0, 2, 3, 4, 1});
  const at::Tensor frame = at::arange(pixels.size(0), ys.options()).view({samples, steps, 1});
  const at::Tensor row = (ys.unsqueeze(1) + at::arange(window.height, ys.options())).unsqueeze(1);
  const at::Tensor windows = at::index(places, {frame, row, xs.view({samples, 1, 1})});
  return windows.flatten(0, 1).permute({0, 3, 1, 2});  // from [samples, steps, h, w, 3]
}

// uint8 [B, T, H, W, 3] -> float [B * T, 3, h, w]
at::Tensor ResNetBackbone::prepare(const at::Tensor& image, at::Generator& generator) const {
  at::Tensor pixels = image.flatten(0, 1).permute({0, 3, 1, 2});
  if (options_.resize) {
    const ImageSize size = *options_.resize;
    pixels = at::_upsample_bilinear2d_aa(pixels.to(at::kFloat), {size.height, size.width}, false);
  }
  if (options_.crop) pixels = crop(pixels, image.size(1), generator);
  pixels = pixels.to(at::kFloat).div(255.0).contiguous();
  normalize_channels_(pixels, kImageNetMean, kImageNetStd);
  return pixels;
}

at::Tensor ResNetBackbone::encode(const Observation& images, at::Generator& generator) {
  const std::vector<at::Tensor> ordered = ordered_images(images);
  at::AutoGradMode grad(!options_.frozen && at::GradMode::is_enabled());
  if (options_.frozen) freeze();
  std::vector<at::Tensor> features;
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    const std::size_t which = options_.shared ? 0 : i;
    const at::Tensor maps = encoders_[which]->forward(prepare(ordered[i], generator));
    const at::Tensor pooled = pools_.empty() ? maps.mean({2, 3}) : pools_[which]->forward(maps);
    features.push_back(pooled.view({ordered[i].size(0), ordered[i].size(1), output_dim_}));
  }
  return at::cat(features, -1).to(at::kFloat);  // float32 even with autocast
}

}  // namespace roboimi::resnet_backbone
