#include "modules/lewm/predictor.h"

#include <ATen/ATen.h>
#include <torch/nn/modules/container/moduledict.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/utils.h>

#include <limits>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"

namespace roboimi::lewm {
namespace {

constexpr double kModulatedNormEps = 1e-6;

torch::nn::LayerNorm make_norm(std::int64_t width) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}));  // eps 1e-5
}

// LN(x) * (1 + scale) + shift, where LN has no weights.
at::Tensor modulated(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale) {
  const at::Tensor normed = at::layer_norm(x, {x.size(-1)}, {}, {}, kModulatedNormEps);
  return normed * (1.0 + scale) + shift;
}

}  // namespace

PredictorAttentionImpl::PredictorAttentionImpl(const PredictorOptions& options)
    : heads_(options.heads), dropout_(options.dropout) {
  const std::int64_t inner = options.heads * options.head_dim;
  norm_ = register_module("norm", make_norm(options.width));
  to_qkv_ = register_module(
      "to_qkv", torch::nn::Linear(torch::nn::LinearOptions(options.width, 3 * inner).bias(false)));
  to_out_ = register_module("to_out", torch::nn::ModuleDict());
  out_ = torch::nn::Linear(inner, options.width);
  to_out_->update({{"0", out_.ptr()}});
}

// Implements attention dropout itself, because at::scaled_dot_product_attention uses the default
// random generator.
at::Tensor PredictorAttentionImpl::attend(const at::Tensor& q, const at::Tensor& k,
                                          const at::Tensor& v, at::Generator& generator) const {
  if (!is_training() || dropout_ == 0.0) {
    return at::scaled_dot_product_attention(q, k, v, {}, 0.0, /*is_causal=*/true);
  }
  const std::int64_t length = q.size(2);
  const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(3)));
  const at::Tensor future =
      at::ones({length, length}, q.options().dtype(at::kBool)).triu(/*diagonal=*/1);
  const at::Tensor logits = at::matmul(q * scale, k.transpose(2, 3));
  const at::Tensor weights =
      at::softmax(logits.masked_fill(future, -std::numeric_limits<double>::infinity()), -1);
  return at::matmul(dropout(weights, dropout_, generator), v);
}

at::Tensor PredictorAttentionImpl::forward(const at::Tensor& x, at::Generator& generator) {
  const at::Tensor qkv = to_qkv_->forward(norm_->forward(x))
                             .view({x.size(0), x.size(1), 3, heads_, -1})
                             .permute({2, 0, 3, 1, 4});  // [3, B, heads, T, head_dim]
  const at::Tensor mixed = attend(qkv[0], qkv[1], qkv[2], generator);
  const at::Tensor out = out_->forward(mixed.transpose(1, 2).flatten(2));
  return is_training() ? dropout(out, dropout_, generator) : out;
}

PredictorMlpImpl::PredictorMlpImpl(const PredictorOptions& options) : dropout_(options.dropout) {
  norm_ = make_norm(options.width);
  first_ = torch::nn::Linear(options.width, options.mlp_dim);
  last_ = torch::nn::Linear(options.mlp_dim, options.width);
  net_ = register_module("net", torch::nn::ModuleDict());
  net_->update({{"0", norm_.ptr()}, {"1", first_.ptr()}, {"4", last_.ptr()}});
}

at::Tensor PredictorMlpImpl::forward(const at::Tensor& x, at::Generator& generator) {
  const double p = is_training() ? dropout_ : 0.0;
  const at::Tensor hidden = at::gelu(first_->forward(norm_->forward(x)));
  return dropout(last_->forward(dropout(hidden, p, generator)), p, generator);
}

PredictorBlockImpl::PredictorBlockImpl(const PredictorOptions& options) {
  attention_ = register_module("attn", PredictorAttention(options));
  mlp_ = register_module("mlp", PredictorMlp(options));
  modulation_ = torch::nn::Linear(options.width, 6 * options.width);
  modulation_holder_ = register_module("adaLN_modulation", torch::nn::ModuleDict());
  modulation_holder_->update({{"1", modulation_.ptr()}});
  torch::NoGradGuard no_grad;
  modulation_->weight.zero_();
  modulation_->bias.zero_();
}

at::Tensor PredictorBlockImpl::forward(const at::Tensor& x, const at::Tensor& condition,
                                       at::Generator& generator) {
  // Shift, scale and gate of the attention, then those of the MLP.
  const std::vector<at::Tensor> m = modulation_->forward(at::silu(condition)).chunk(6, -1);
  const at::Tensor attended = x + m[2] * attention_->forward(modulated(x, m[0], m[1]), generator);
  return attended + m[5] * mlp_->forward(modulated(attended, m[3], m[4]), generator);
}

PredictorImpl::TransformerImpl::TransformerImpl(const PredictorOptions& options) {
  norm = register_module("norm", make_norm(options.width));
  layers = register_module("layers", torch::nn::ModuleList());
  for (std::int64_t i = 0; i < options.depth; ++i) layers->push_back(PredictorBlock(options));
}

PredictorImpl::PredictorImpl(const PredictorOptions& options) {
  pos_embedding =
      register_parameter("pos_embedding", at::randn({1, options.frames, options.width}));
  transformer_ = register_module("transformer", std::make_shared<TransformerImpl>(options));
}

at::Tensor PredictorImpl::forward(const at::Tensor& embeddings, const at::Tensor& actions,
                                  at::Generator& generator) {
  ROBOIMI_CHECK(embeddings.dim() == 3 && embeddings.size(1) <= pos_embedding.size(1) &&
                    embeddings.sizes() == actions.sizes(),
                c10::str(embeddings.sizes(), " and ", actions.sizes()));
  at::Tensor x = embeddings + pos_embedding.slice(1, 0, embeddings.size(1));
  for (const auto& layer : *transformer_->layers) {
    x = layer->as<PredictorBlock>()->forward(x, actions, generator);
  }
  return transformer_->norm->forward(x);
}

}  // namespace roboimi::lewm
