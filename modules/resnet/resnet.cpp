#include "modules/resnet/resnet.h"

#include <ATen/ATen.h>
#include <torch/enum.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/any.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/normalization.h>

#include <array>

#include "roboimi/common/error.h"

namespace roboimi::resnet {
namespace {

constexpr std::int64_t kChannelsPerGroup = 16;

torch::nn::Conv2d make_conv(std::int64_t input, std::int64_t output, std::int64_t kernel,
                            std::int64_t stride) {
  torch::nn::Conv2d conv(torch::nn::Conv2dOptions(input, output, kernel)
                             .stride(stride)
                             .padding(kernel / 2)
                             .bias(false));
  torch::nn::init::kaiming_normal_(conv->weight, 0.0, torch::kFanOut, torch::kReLU);
  return conv;
}

std::array<std::int64_t, 4> stage_blocks(std::int64_t depth) {
  if (depth == 18) return {2, 2, 2, 2};
  if (depth == 34 || depth == 50) return {3, 4, 6, 3};
  throw Error({.what = "unknown ResNet depth",
               .expected = "one of 18, 34, 50",
               .found = std::to_string(depth)});
}

}  // namespace

torch::nn::AnyModule make_norm(ResNetNorm norm, std::int64_t channels) {
  if (norm == ResNetNorm::kBatch) return torch::nn::AnyModule(torch::nn::BatchNorm2d(channels));
  return torch::nn::AnyModule(torch::nn::GroupNorm(channels / kChannelsPerGroup, channels));
}

std::int64_t ResidualBlockImpl::output_channels(std::int64_t width, bool bottleneck) {
  return bottleneck ? 4 * width : width;
}

ResidualBlockImpl::ResidualBlockImpl(std::int64_t input, std::int64_t width, std::int64_t stride,
                                     bool bottleneck, ResNetNorm norm) {
  auto add_norm = [&](const char* name, std::int64_t channels) {
    torch::nn::AnyModule module = make_norm(norm, channels);
    register_module(name, module.ptr());
    return module;
  };
  const std::int64_t output = output_channels(width, bottleneck);
  // The first 3x3 convolution has the stride, as in torchvision.
  conv1_ = register_module(
      "conv1", bottleneck ? make_conv(input, width, 1, 1) : make_conv(input, width, 3, stride));
  bn1_ = add_norm("bn1", width);
  conv2_ = register_module("conv2", make_conv(width, width, 3, bottleneck ? stride : 1));
  bn2_ = add_norm("bn2", width);
  if (bottleneck) {
    conv3_ = register_module("conv3", make_conv(width, output, 1, 1));
    bn3_ = add_norm("bn3", output);
  }
  // The shortcut needs a projection if the shape changes.
  if (stride != 1 || input != output) {
    torch::nn::Sequential shortcut(make_conv(input, output, 1, stride));
    shortcut->push_back(make_norm(norm, output));
    downsample_ = register_module("downsample", shortcut);
  }
}

at::Tensor ResidualBlockImpl::forward(const at::Tensor& x) {
  at::Tensor y = bn1_.forward(conv1_->forward(x)).relu_();
  y = bn2_.forward(conv2_->forward(y));
  if (conv3_) y = bn3_.forward(conv3_->forward(y.relu_()));
  return (y + (downsample_ ? downsample_->forward(x) : x)).relu_();
}

ResNetImpl::ResNetImpl(const ResNetOptions& options) {
  // The stem.
  const std::array<std::int64_t, 4> blocks = stage_blocks(options.depth);
  const bool bottleneck = options.depth == 50;
  conv1_ = register_module(
      "conv1",
      torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 64, 7).stride(2).padding(3).bias(false)));
  torch::nn::init::kaiming_normal_(conv1_->weight, 0.0, torch::kFanOut, torch::kReLU);
  bn1_ = make_norm(options.norm, 64);
  register_module("bn1", bn1_.ptr());
  // The four stages.
  auto stage = [&](std::int64_t width, std::int64_t count, std::int64_t stride) {
    return make_stage(width, count, stride, bottleneck, options.norm);
  };
  layer1_ = register_module("layer1", stage(64, blocks[0], 1));
  layer2_ = register_module("layer2", stage(128, blocks[1], 2));
  layer3_ = register_module("layer3", stage(256, blocks[2], 2));
  layer4_ = register_module("layer4", stage(512, blocks[3], 2));
}

torch::nn::Sequential ResNetImpl::make_stage(std::int64_t width, std::int64_t blocks,
                                             std::int64_t stride, bool bottleneck,
                                             ResNetNorm norm) {
  torch::nn::Sequential stage;
  for (std::int64_t i = 0; i < blocks; ++i) {
    stage->push_back(ResidualBlock(channels_, width, i == 0 ? stride : 1, bottleneck, norm));
    channels_ = ResidualBlockImpl::output_channels(width, bottleneck);
  }
  return stage;
}

at::Tensor ResNetImpl::forward(const at::Tensor& pixels) {
  ROBOIMI_CHECK(pixels.dim() == 4 && pixels.size(1) == 3, c10::str(pixels.sizes()));
  at::Tensor x = bn1_.forward(conv1_->forward(pixels)).relu_();
  x = at::max_pool2d(x, 3, 2, 1);
  for (auto* stage : {&layer1_, &layer2_, &layer3_, &layer4_}) x = (*stage)->forward(x);
  return x;
}

SpatialSoftmaxImpl::SpatialSoftmaxImpl(std::int64_t channels, std::int64_t keypoints) {
  nets_ = register_module("nets", torch::nn::Conv2d(channels, keypoints, 1));
}

at::Tensor SpatialSoftmaxImpl::forward(const at::Tensor& features) {
  const at::Tensor maps = nets_->forward(features);  // [N, K, H, W]
  const at::Tensor weights = maps.flatten(2).softmax(-1).view_as(maps);
  const at::Tensor xs = at::linspace(-1, 1, maps.size(3), maps.options());
  const at::Tensor ys = at::linspace(-1, 1, maps.size(2), maps.options());
  const at::Tensor x = (weights.sum(2) * xs).sum(-1);
  const at::Tensor y = (weights.sum(3) * ys).sum(-1);
  return at::stack({x, y}, -1).flatten(1);
}

}  // namespace roboimi::resnet
