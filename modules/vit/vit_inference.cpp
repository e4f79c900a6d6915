#include "modules/vit/vit_inference.h"

#include <ATen/ATen.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>

#include <utility>

#include "roboimi/common/error.h"

namespace roboimi::vit {
namespace {

// Number of tokens for which a block's activations fit the second-level cache of two cores.
constexpr std::int64_t kChunkTokens = 2100;
constexpr std::int64_t kChunkImages = 8;

at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return at::layer_norm(x, weight.sizes(), weight, bias, kVitLayerNormEps);
}

// Combines three elements, enough to detect changed weights even if the version was not updated.
double sample_of(const at::Tensor& tensor) {
  if (!tensor.device().is_cpu() || !tensor.is_floating_point() || tensor.numel() == 0) return 0.0;
  if (tensor.scalar_type() != at::kFloat || !tensor.is_contiguous()) return 0.0;
  const float* data = tensor.const_data_ptr<float>();
  const std::int64_t last = tensor.numel() - 1;
  const double sum = data[0] + 3.0 * data[last / 2] + 7.0 * data[last];
  return std::isnan(sum) ? 0.0 : sum;  // NaN differs from itself
}

}  // namespace

VitInference::VitInference(VitEncoder encoder, MlpProjector projector, at::ScalarType precision)
    : encoder_(std::move(encoder)),
      projector_(std::move(projector)),
      options_(encoder_->options()),
      dtype_(precision) {
  // Copy and repack all weights.
  at::NoGradGuard no_grad;
  stamps_ = stamps();
  const auto& conv = encoder_->embeddings->patch_embeddings->projection;
  const std::int64_t rows = kChunkTokens;
  patches_ = PackedLinear(conv->weight.flatten(1), conv->bias, dtype_, rows);
  for (const auto& layer : *encoder_->layers) pack_layer(*layer->as<VitLayer>());
  norm_weight_ = encoder_->layernorm->weight.detach().to(dtype_).clone();
  norm_bias_ = encoder_->layernorm->bias.detach().to(dtype_).clone();
  cls_token_ = encoder_->embeddings->cls_token.detach().clone();
  position_table_ = encoder_->embeddings->position_embeddings.detach().clone();
  if (projector_) pack_projector(*projector_);
}

void VitInference::pack_layer(VitLayerImpl& layer) {
  // Merge query, key and value, in double precision, with the attention scale in the query.
  auto& attention = *layer.attention;
  const double scale =
      1.0 / std::sqrt(static_cast<double>(options_.hidden_size / options_.num_heads));
  const at::Tensor weight =
      at::cat({attention.q_proj->weight.to(at::kDouble) * scale,
               attention.k_proj->weight.to(at::kDouble), attention.v_proj->weight.to(at::kDouble)});
  const at::Tensor bias =
      at::cat({attention.q_proj->bias.to(at::kDouble) * scale,
               attention.k_proj->bias.to(at::kDouble), attention.v_proj->bias.to(at::kDouble)});
  // Copy or repack the rest.
  auto copy = [&](const at::Tensor& tensor) { return tensor.detach().to(dtype_).clone(); };
  auto pack = [&](const torch::nn::Linear& linear) {
    return PackedLinear(linear->weight, linear->bias, dtype_, kChunkTokens);
  };
  layers_.push_back({.norm_before_weight = copy(layer.layernorm_before->weight),
                     .norm_before_bias = copy(layer.layernorm_before->bias),
                     .norm_after_weight = copy(layer.layernorm_after->weight),
                     .norm_after_bias = copy(layer.layernorm_after->bias),
                     .qkv = PackedLinear(weight, bias, dtype_, kChunkTokens),
                     .out = pack(attention.o_proj),
                     .fc1 = pack(layer.mlp->fc1),
                     .fc2 = pack(layer.mlp->fc2)});
}

void VitInference::pack_projector(MlpProjectorImpl& projector) {
  // Fold BatchNorm into the first layer. In evaluation mode it is an affine map:
  // y = (x - mean) * g / sqrt(var + eps) + b.
  const auto first = projector.first();
  const auto norm = projector.norm();
  const auto last = projector.last();
  const at::Tensor gain = norm->weight.to(at::kDouble) /
                          (norm->running_var.to(at::kDouble) + norm->options.eps()).sqrt();
  const at::Tensor weight = first->weight.to(at::kDouble) * gain.unsqueeze(1);
  const at::Tensor bias =
      (first->bias.to(at::kDouble) - norm->running_mean.to(at::kDouble)) * gain +
      norm->bias.to(at::kDouble);
  // There are only a few rows, so fp32 costs nothing and keeps the embedding's precision.
  project_first_ = PackedLinear(weight, bias, at::kFloat, kChunkImages);
  project_last_ = PackedLinear(last->weight, last->bias, at::kFloat, kChunkImages);
}

std::vector<VitInference::Stamp> VitInference::stamps() const {
  std::vector<Stamp> stamps;
  auto add = [&](const torch::nn::Module& module) {
    for (const auto& list : {module.parameters(), module.buffers()}) {
      for (const at::Tensor& tensor : list) {
        const std::int64_t version = tensor.is_inference() ? 0 : tensor._version();
        stamps.push_back({tensor.const_data_ptr(), version, sample_of(tensor)});
      }
    }
  };
  add(*encoder_);
  if (projector_) add(*projector_);
  return stamps;
}

bool VitInference::stale() const { return stamps() != stamps_; }

const at::Tensor& VitInference::positions(std::int64_t rows, std::int64_t columns,
                                          bool square_input) {
  at::Tensor& table = positions_[{square_input ? -rows : rows, columns}];
  if (!table.defined()) {
    table = interpolate_positions(position_table_, rows, columns, square_input);
    table = table.clone();
    table.select(1, 0).add_(cls_token_.select(1, 0));  // the class token is the same for all images
    table = table.to(dtype_);
  }
  return table;
}

// Embeds the patches: [n, 3, H, W] -> [n * S, D]. A convolution with stride p is computed as a
// matrix product with unfolded patches.
at::Tensor VitInference::embed(const at::Tensor& pixels) {
  // Unfold the patches: one row per patch.
  const std::int64_t patch = options_.patch_size;
  const std::int64_t images = pixels.size(0);
  const std::int64_t rows = pixels.size(2) / patch, columns = pixels.size(3) / patch;
  const at::Tensor unfolded = pixels.slice(2, 0, rows * patch)
                                  .slice(3, 0, columns * patch)
                                  .to(dtype_)
                                  .reshape({images, 3, rows, patch, columns, patch})
                                  .permute({0, 2, 4, 1, 3, 5})
                                  .reshape({images * rows * columns, 3 * patch * patch});
  // Project them, and add the class token and the positions.
  const at::Tensor& table = positions(rows, columns, pixels.size(2) == pixels.size(3));
  at::Tensor tokens =
      at::empty({images, rows * columns + 1, options_.hidden_size}, table.options());
  tokens.slice(1, 0, 1).copy_(table.slice(1, 0, 1).expand({images, -1, -1}));
  at::Tensor body = tokens.slice(1, 1);
  at::add_out(body, patches_.forward(unfolded).view(body.sizes()), table.slice(1, 1));
  return tokens.view({-1, options_.hidden_size});
}

// Multi-head attention without the output projection: [n * S, 3 D] -> [n * S, D].
at::Tensor VitInference::attend(const at::Tensor& qkv, std::int64_t images) const {
  const std::int64_t heads = options_.num_heads, width = options_.hidden_size;
  const at::Tensor parts = qkv.view({images, -1, 3, heads, width / heads}).permute({2, 0, 3, 1, 4});
  if (dtype_ != at::kBFloat16 || !qkv.device().is_cpu()) {
    const at::Tensor mixed = at::scaled_dot_product_attention(parts[0], parts[1], parts[2], {}, 0.0,
                                                              false, /*scale=*/1.0);
    return mixed.transpose(1, 2).reshape({-1, width});
  }
  // In bf16, two batched products and a softmax are faster than the CPU's fused kernel.
  const at::Tensor split = parts.contiguous().view({3, images * heads, -1, width / heads});
  const at::Tensor weights = at::softmax(at::bmm(split[0], split[1].transpose(1, 2)), -1);
  const at::Tensor mixed = at::bmm(weights, split[2]);
  return mixed.view({images, heads, -1, width / heads}).transpose(1, 2).reshape({-1, width});
}

at::Tensor VitInference::encode_chunk(const at::Tensor& pixels) {
  const std::int64_t images = pixels.size(0);
  at::Tensor x = embed(pixels);
  for (const Layer& layer : layers_) {
    const at::Tensor normed = layer_norm(x, layer.norm_before_weight, layer.norm_before_bias);
    x = layer.out.forward_add(attend(layer.qkv.forward(normed), images), x);
    const at::Tensor hidden = layer.fc1.forward(
        layer_norm(x, layer.norm_after_weight, layer.norm_after_bias), Activation::kGelu);
    x = layer.fc2.forward_add(hidden, x);
  }
  const at::Tensor cls = x.view({images, -1, options_.hidden_size}).select(1, 0);
  return layer_norm(cls, norm_weight_, norm_bias_).to(at::kFloat);
}

at::Tensor VitInference::forward(const at::Tensor& pixels) {
  ROBOIMI_CHECK(pixels.dim() == 4 && pixels.size(1) == 3, c10::str(pixels.sizes()));
  at::NoGradGuard no_grad;
  const std::int64_t tokens =
      (pixels.size(2) / options_.patch_size) * (pixels.size(3) / options_.patch_size) + 1;
  const std::int64_t chunk = pixels.device().is_cpu()
                                 ? std::clamp<std::int64_t>(kChunkTokens / tokens, 1, kChunkImages)
                                 : pixels.size(0);
  std::vector<at::Tensor> parts;
  for (std::int64_t start = 0; start < pixels.size(0); start += chunk) {
    parts.push_back(encode_chunk(pixels.slice(0, start, start + chunk)));
  }
  const at::Tensor cls = at::cat(parts);
  if (!projector_) return cls;
  return project_last_.forward(project_first_.forward(cls, Activation::kGelu));
}

}  // namespace roboimi::vit
