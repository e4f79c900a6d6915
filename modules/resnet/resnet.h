// ResNet-18, -34 and -50 without the classifier, with torchvision's parameter names.
//
//   ResNet trunk(ResNetOptions{.depth = 18, .norm = ResNetNorm::kGroup});
//   at::Tensor features = trunk->forward(pixels);      // [N, 3, H, W] -> [N, 512, H/32, W/32]
//   SpatialSoftmax pool(512, 32);
//   at::Tensor keypoints = pool->forward(features);    // [N, 64]
#pragma once

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/any.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>

#include <cstdint>

namespace roboimi::resnet {

enum class ResNetNorm {
  kGroup,  // GroupNorm with C / 16 groups (Diffusion Policy)
  kBatch,
};

struct ResNetOptions {
  std::int64_t depth = 18;  // 18, 34 or 50
  ResNetNorm norm = ResNetNorm::kGroup;
};

// A normalization layer of this kind for `channels` channels.
torch::nn::AnyModule make_norm(ResNetNorm norm, std::int64_t channels);

// A residual block: two 3x3 convolutions, or with `bottleneck` 1x1, 3x3 and 1x1, plus a shortcut.
class ResidualBlockImpl : public torch::nn::Module {
 public:
  ResidualBlockImpl(std::int64_t input, std::int64_t width, std::int64_t stride, bool bottleneck,
                    ResNetNorm norm);
  at::Tensor forward(const at::Tensor& x);
  // A bottleneck's output is four times its width.
  static std::int64_t output_channels(std::int64_t width, bool bottleneck);

 private:
  torch::nn::Conv2d conv1_{nullptr}, conv2_{nullptr}, conv3_{nullptr};
  torch::nn::AnyModule bn1_, bn2_, bn3_;
  torch::nn::Sequential downsample_{nullptr};
};
TORCH_MODULE(ResidualBlock);

class ResNetImpl : public torch::nn::Module {
 public:
  // Throws Error for a depth other than 18, 34 and 50.
  explicit ResNetImpl(const ResNetOptions& options);

  at::Tensor forward(const at::Tensor& pixels);  // [N, 3, H, W] -> [N, channels(), H/32, W/32]
  std::int64_t channels() const { return channels_; }

 private:
  torch::nn::Sequential make_stage(std::int64_t width, std::int64_t blocks, std::int64_t stride,
                                   bool bottleneck, ResNetNorm norm);

  std::int64_t channels_ = 64;
  torch::nn::Conv2d conv1_{nullptr};
  torch::nn::AnyModule bn1_;
  torch::nn::Sequential layer1_{nullptr}, layer2_{nullptr}, layer3_{nullptr}, layer4_{nullptr};
};
TORCH_MODULE(ResNet);

// Spatial softmax: the expected position of each of K keypoints. A 1x1 convolution gives K maps;
// the softmax over the positions of each map weights (x, y) in [-1, 1] (Finn et al., arXiv
// 1509.06113).
class SpatialSoftmaxImpl : public torch::nn::Module {
 public:
  SpatialSoftmaxImpl(std::int64_t channels, std::int64_t keypoints);
  at::Tensor forward(const at::Tensor& features);  // [N, C, H, W] -> [N, 2 K]: x1, y1, x2, y2, ...

 private:
  torch::nn::Conv2d nets_{nullptr};
};
TORCH_MODULE(SpatialSoftmax);

}  // namespace roboimi::resnet
