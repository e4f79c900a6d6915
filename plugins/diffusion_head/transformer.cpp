#include "plugins/diffusion_head/transformer.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"

namespace roboimi::diffusion_head {
namespace {

constexpr double kInitStd = 0.02;
constexpr double kTimePeriod = 1e4;

torch::nn::LayerNorm layer_norm(std::int64_t width) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}));
}

void check_sizes(const TransformerOptions& o) {
  const auto require = [](bool fits, const std::string& expected, const std::string& found) {
    if (!fits) {
      throw Error({.what = "invalid sizes of the head", .expected = expected, .found = found});
    }
  };
  require(o.n_emb % o.n_head == 0, "n_emb divisible by n_head",
          c10::str("n_emb ", o.n_emb, ", n_head ", o.n_head));
  require(o.n_emb % 2 == 0 && o.n_emb >= 4, "an even n_emb of at least 4 (sines and cosines)",
          c10::str(o.n_emb));
}

// [rows, columns]: -inf on and above the diagonal with this offset, 0 below.
at::Tensor hidden_above(std::int64_t rows, std::int64_t columns, std::int64_t diagonal,
                        const at::Tensor& like) {
  return at::full({rows, columns}, -std::numeric_limits<double>::infinity(), like.options())
      .triu(diagonal);
}

}  // namespace

at::Tensor DecoderContext::drop(const at::Tensor& x) const {
  return generator == nullptr ? x : roboimi::dropout(x, dropout, *generator);
}

AttentionImpl::AttentionImpl(std::int64_t width, std::int64_t num_heads) : num_heads_(num_heads) {
  in_proj_weight = register_parameter("in_proj_weight", at::empty({3 * width, width}));
  in_proj_bias = register_parameter("in_proj_bias", at::zeros({3 * width}));
  out_proj = register_module("out_proj", torch::nn::Linear(width, width));
}

at::Tensor AttentionImpl::attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                 const at::Tensor& mask, const DecoderContext& context) {
  const std::int64_t head_dim = q.size(-1) / num_heads_;
  const auto split = [&](const at::Tensor& x) {
    return x.unflatten(-1, {num_heads_, head_dim}).transpose(1, 2);
  };
  const at::Tensor queries = split(q) * (1.0 / std::sqrt(double(head_dim)));
  const at::Tensor logits = at::matmul(queries, split(k).transpose(-2, -1)) + mask;
  const at::Tensor weights = context.drop(logits.softmax(-1));
  return out_proj(at::matmul(weights, split(v)).transpose(1, 2).flatten(2));
}

at::Tensor AttentionImpl::forward(const at::Tensor& x, const DecoderContext& context) {
  const auto parts = at::linear(x, in_proj_weight, in_proj_bias).chunk(3, -1);
  return attend(parts[0], parts[1], parts[2], context.self_mask, context);
}

at::Tensor AttentionImpl::cross(const at::Tensor& x, const DecoderContext& context) {
  const std::int64_t width = x.size(-1);
  const auto weights = in_proj_weight.split({width, 2 * width});
  const auto biases = in_proj_bias.split({width, 2 * width});
  const auto parts = at::linear(context.memory, weights[1], biases[1]).chunk(2, -1);
  return attend(at::linear(x, weights[0], biases[0]), parts[0], parts[1], context.memory_mask,
                context);
}

DecoderLayerImpl::DecoderLayerImpl(std::int64_t width, std::int64_t num_heads) {
  self_attn = register_module("self_attn", Attention(width, num_heads));
  multihead_attn = register_module("multihead_attn", Attention(width, num_heads));
  linear1 = register_module("linear1", torch::nn::Linear(width, 4 * width));
  linear2 = register_module("linear2", torch::nn::Linear(4 * width, width));
  norm1 = register_module("norm1", layer_norm(width));
  norm2 = register_module("norm2", layer_norm(width));
  norm3 = register_module("norm3", layer_norm(width));
}

at::Tensor DecoderLayerImpl::forward(const at::Tensor& tokens, const DecoderContext& context) {
  at::Tensor x = tokens + context.drop(self_attn(norm1(tokens), context));
  x = x + context.drop(multihead_attn->cross(norm2(x), context));
  const at::Tensor inner = context.drop(at::gelu(linear1(norm3(x))));
  return x + context.drop(linear2(inner));
}

MemoryEncoderImpl::MemoryEncoderImpl(std::int64_t width) {
  first_ = register_module("0", torch::nn::Linear(width, 4 * width));
  last_ = register_module("2", torch::nn::Linear(4 * width, width));
}

at::Tensor MemoryEncoderImpl::forward(const at::Tensor& tokens) {
  return last_(at::mish(first_(tokens)));
}

DecoderImpl::DecoderImpl(const TransformerOptions& options) {
  register_module("layers", layers);
  for (std::int64_t i = 0; i < options.n_layer; ++i) {
    layers->push_back(DecoderLayer(options.n_emb, options.n_head));
  }
}

TransformerImpl::TransformerImpl(const TransformerOptions& options, const HeadSpec& spec)
    : options_(options), spec_(spec) {
  check_sizes(options);
  const std::int64_t width = options.n_emb;
  input_emb = register_module("input_emb", torch::nn::Linear(spec.action_dim, width));
  pos_emb = register_parameter("pos_emb", at::empty({1, spec.pred_horizon, width}));
  cond_obs_emb = register_module("cond_obs_emb", torch::nn::Linear(spec.per_step_cond_dim, width));
  cond_pos_emb = register_parameter("cond_pos_emb", at::empty({1, 1 + spec.obs_horizon, width}));
  encoder = register_module("encoder", MemoryEncoder(width));
  decoder = register_module("decoder", Decoder(options));
  ln_f = register_module("ln_f", layer_norm(width));
  head = register_module("head", torch::nn::Linear(width, spec.action_dim));
  initialize();
}

// Matrices and positions from N(0, 0.02), biases 0; norm weights stay 1.
void TransformerImpl::initialize() {
  at::NoGradGuard no_grad;
  for (auto& parameter : named_parameters()) {
    at::Tensor& value = parameter.value();
    if (value.dim() >= 2) value.normal_(0.0, kInitStd);
    if (parameter.key().ends_with("bias")) value.zero_();
  }
}

at::Tensor TransformerImpl::time_features(const at::Tensor& times) const {
  const std::int64_t half = options_.n_emb / 2;
  const at::Tensor exponent = at::arange(half, times.options()) / -double(half - 1);
  const at::Tensor angle = times.unsqueeze(-1) * at::pow(kTimePeriod, exponent);
  return at::cat({angle.sin(), angle.cos()}, -1);
}

at::Tensor TransformerImpl::self_mask(const at::Tensor& like) const {
  return hidden_above(spec_.pred_horizon, spec_.pred_horizon, 1, like);
}

at::Tensor TransformerImpl::memory_mask(const at::Tensor& like) const {
  const std::int64_t tokens = 1 + spec_.obs_horizon;
  // Column 0 is the time and column s is observation s - 1; action t sees s - 1 <= t.
  const std::int64_t diagonal = options_.memory_mask == MemoryMask::kCausal ? 2 : tokens;
  return hidden_above(spec_.pred_horizon, tokens, diagonal, like);
}

at::Tensor TransformerImpl::forward(const at::Tensor& z, const at::Tensor& times,
                                    const at::Tensor& cond, at::Generator* generator) {
  // Adds positions to tokens, with dropout in training.
  const auto embedded = [&](const at::Tensor& tokens, const at::Tensor& positions) {
    const at::Tensor placed = tokens + positions;
    return generator == nullptr ? placed : dropout(placed, options_.p_drop_emb, *generator);
  };
  // Memory of time and observations, shared by all layers.
  const at::Tensor seen = at::cat({time_features(times).unsqueeze(1), cond_obs_emb(cond)}, 1);
  const DecoderContext context{.memory = encoder(embedded(seen, cond_pos_emb)),
                               .self_mask = self_mask(z),
                               .memory_mask = memory_mask(z),
                               .dropout = options_.p_drop_attn,
                               .generator = generator};
  // The decoder over the action tokens.
  at::Tensor x = embedded(input_emb(z), pos_emb);
  for (const auto& layer : *decoder->layers) x = layer->as<DecoderLayer>()->forward(x, context);
  return head(ln_f(x));
}

}  // namespace roboimi::diffusion_head
