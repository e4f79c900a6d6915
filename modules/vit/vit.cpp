#include "modules/vit/vit.h"

#include <ATen/ATen.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/utils.h>

#include "modules/vit/mixed_vit.h"
#include "roboimi/common/error.h"

namespace roboimi::vit {
namespace {

constexpr double kInitStd = 0.02;  // transformers' initializer_range

torch::nn::Linear make_linear(std::int64_t input, std::int64_t output) {
  torch::nn::Linear linear(input, output);
  torch::NoGradGuard no_grad;
  linear->weight.normal_(0.0, kInitStd);
  linear->bias.zero_();
  return linear;
}

torch::nn::LayerNorm make_norm(std::int64_t width) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}).eps(kVitLayerNormEps));
}

}  // namespace

at::Tensor interpolate_positions(const at::Tensor& positions, std::int64_t rows,
                                 std::int64_t columns, bool square_input) {
  const std::int64_t trained = positions.size(1) - 1;
  if (square_input && rows * columns == trained) return positions;
  const std::int64_t grid = std::llround(std::sqrt(static_cast<double>(trained)));
  const std::int64_t width = positions.size(2);
  const at::Tensor image =
      positions.slice(1, 1).reshape({1, grid, grid, width}).permute({0, 3, 1, 2});
  const at::Tensor resized = at::upsample_bicubic2d(image, {rows, columns}, false);
  return at::cat({positions.slice(1, 0, 1), resized.permute({0, 2, 3, 1}).reshape({1, -1, width})},
                 1);
}

VitPatchEmbeddingsImpl::VitPatchEmbeddingsImpl(const VitOptions& options) {
  projection = register_module(
      "projection",
      torch::nn::Conv2d(torch::nn::Conv2dOptions(3, options.hidden_size, options.patch_size)
                            .stride(options.patch_size)));
  torch::NoGradGuard no_grad;
  projection->weight.normal_(0.0, kInitStd);
  projection->bias.zero_();
}

VitEmbeddingsImpl::VitEmbeddingsImpl(const VitOptions& options) {
  const std::int64_t grid = options.image_size / options.patch_size;
  cls_token = register_parameter("cls_token", at::randn({1, 1, options.hidden_size}) * kInitStd);
  position_embeddings = register_parameter(
      "position_embeddings", at::randn({1, grid * grid + 1, options.hidden_size}) * kInitStd);
  patch_embeddings = register_module("patch_embeddings", VitPatchEmbeddings(options));
}

at::Tensor VitEmbeddingsImpl::forward(const at::Tensor& pixels) {
  const at::Tensor patches =
      patch_embeddings->projection->forward(pixels);  // [N, D, rows, columns]
  const at::Tensor tokens =
      at::cat({cls_token.expand({pixels.size(0), -1, -1}), patches.flatten(2).transpose(1, 2)}, 1);
  return tokens + interpolate_positions(position_embeddings, patches.size(2), patches.size(3),
                                        pixels.size(2) == pixels.size(3));
}

VitAttentionImpl::VitAttentionImpl(const VitOptions& options) : num_heads_(options.num_heads) {
  const std::int64_t width = options.hidden_size;
  q_proj = register_module("q_proj", make_linear(width, width));
  k_proj = register_module("k_proj", make_linear(width, width));
  v_proj = register_module("v_proj", make_linear(width, width));
  o_proj = register_module("o_proj", make_linear(width, width));
}

at::Tensor VitAttentionImpl::forward(const at::Tensor& x) {
  auto heads = [&](torch::nn::Linear& linear) {
    return linear->forward(x).view({x.size(0), x.size(1), num_heads_, -1}).transpose(1, 2);
  };
  const at::Tensor mixed =
      at::scaled_dot_product_attention(heads(q_proj), heads(k_proj), heads(v_proj));
  return o_proj->forward(mixed.transpose(1, 2).reshape(x.sizes()));
}

VitMlpImpl::VitMlpImpl(const VitOptions& options) {
  fc1 = register_module("fc1", make_linear(options.hidden_size, options.intermediate_size));
  fc2 = register_module("fc2", make_linear(options.intermediate_size, options.hidden_size));
}

at::Tensor VitMlpImpl::forward(const at::Tensor& x) {
  return fc2->forward(at::gelu(fc1->forward(x)));
}

VitLayerImpl::VitLayerImpl(const VitOptions& options) {
  layernorm_before = register_module("layernorm_before", make_norm(options.hidden_size));
  attention = register_module("attention", VitAttention(options));
  layernorm_after = register_module("layernorm_after", make_norm(options.hidden_size));
  mlp = register_module("mlp", VitMlp(options));
}

at::Tensor VitLayerImpl::forward(const at::Tensor& x) {
  const at::Tensor attended = x + attention->forward(layernorm_before->forward(x));
  return attended + mlp->forward(layernorm_after->forward(attended));
}

VitEncoderImpl::VitEncoderImpl(const VitOptions& options) : options_(options) {
  embeddings = register_module("embeddings", VitEmbeddings(options));
  layers = register_module("layers", torch::nn::ModuleList());
  for (std::int64_t i = 0; i < options.num_layers; ++i) layers->push_back(VitLayer(options));
  layernorm = register_module("layernorm", make_norm(options.hidden_size));
}

at::Tensor VitEncoderImpl::forward(const at::Tensor& pixels) {
  ROBOIMI_CHECK(pixels.dim() == 4 && pixels.size(1) == 3, c10::str(pixels.sizes()));
  return uses_mixed_form(*this, pixels) ? forward_mixed(*this, pixels, at::kBFloat16)
                                        : forward_plain(pixels);
}

at::Tensor VitEncoderImpl::forward_plain(const at::Tensor& pixels) {
  at::Tensor x = embeddings->forward(pixels);
  for (const auto& layer : *layers) x = layer->as<VitLayer>()->forward(x);
  return layernorm->forward(x.select(1, 0));
}

MlpProjectorImpl::MlpProjectorImpl(std::int64_t input, std::int64_t hidden, std::int64_t output) {
  net = register_module(
      "net", torch::nn::Sequential(torch::nn::Linear(input, hidden), torch::nn::BatchNorm1d(hidden),
                                   torch::nn::GELU(), torch::nn::Linear(hidden, output)));
}

at::Tensor MlpProjectorImpl::forward(const at::Tensor& x) { return net->forward(x); }

torch::nn::Linear MlpProjectorImpl::first() const {
  return std::dynamic_pointer_cast<torch::nn::LinearImpl>(net->ptr(0));
}
torch::nn::BatchNorm1d MlpProjectorImpl::norm() const {
  return std::dynamic_pointer_cast<torch::nn::BatchNorm1dImpl>(net->ptr(1));
}
torch::nn::Linear MlpProjectorImpl::last() const {
  return std::dynamic_pointer_cast<torch::nn::LinearImpl>(net->ptr(3));
}

}  // namespace roboimi::vit
