#include "modules/attnres/layers.h"

#include <ATen/ATen.h>

#include <cmath>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"

namespace roboimi::attnres {
namespace {

torch::nn::Linear linear_without_bias(std::int64_t in, std::int64_t out) {
  return torch::nn::Linear(torch::nn::LinearOptions(in, out).bias(false));
}

at::Tensor maybe_dropout(const at::Tensor& x, double p, at::Generator* generator) {
  return generator == nullptr ? x : dropout(x, p, *generator);
}

}  // namespace

at::Tensor rms_normalize(const at::Tensor& x) {
  return x * at::rsqrt(x.square().mean(-1, true) + kNormEpsilon);
}

at::Tensor rms_norm_tangent(const at::Tensor& x, const at::Tensor& dx, const at::Tensor& weight) {
  const at::Tensor scale = at::rsqrt(x.square().mean(-1, true) + kNormEpsilon);
  const at::Tensor along = scale.square() * (x * dx).mean(-1, true);
  return weight * scale * (dx - x * along);
}

RmsNormImpl::RmsNormImpl(std::int64_t width) {
  weight = register_parameter("weight", at::ones({width}));
}

at::Tensor RmsNormImpl::forward(const at::Tensor& x) { return rms_normalize(x) * weight; }

GroupedQueryAttentionImpl::GroupedQueryAttentionImpl(std::int64_t width, std::int64_t num_heads,
                                                     std::int64_t num_kv_heads, double dropout)
    : num_heads_(num_heads),
      num_kv_heads_(num_kv_heads),
      head_dim_(width / num_heads),
      dropout_(dropout) {
  ROBOIMI_CHECK(width % num_heads == 0 && num_heads % num_kv_heads == 0,
                c10::str("width ", width, ", heads ", num_heads, ", kv heads ", num_kv_heads));
  w_q = register_module("w_q", linear_without_bias(width, width));
  w_k = register_module("w_k", linear_without_bias(width, num_kv_heads * head_dim_));
  w_v = register_module("w_v", linear_without_bias(width, num_kv_heads * head_dim_));
  w_o = register_module("w_o", linear_without_bias(width, width));
}

at::Tensor GroupedQueryAttentionImpl::forward(const at::Tensor& x, const RopeTable& rope,
                                              at::Generator* generator) {
  const auto split = [&](const at::Tensor& y, std::int64_t heads) {
    return y.unflatten(-1, {heads, head_dim_});
  };
  const at::Tensor q = rope.rotate(split(w_q(x), num_heads_));
  const at::Tensor k = rope.rotate(split(w_k(x), num_kv_heads_));
  const at::Tensor v = split(w_v(x), num_kv_heads_);
  const at::Tensor mixed = attend(q, k, v, generator);
  return maybe_dropout(w_o(mixed.flatten(-2)), dropout_, generator);
}

// q [B, T, heads, head_dim]; k, v [B, T, kv_heads, head_dim] -> [B, T, heads, head_dim]
at::Tensor GroupedQueryAttentionImpl::attend(const at::Tensor& q, const at::Tensor& k,
                                             const at::Tensor& v, at::Generator* generator) const {
  // Query head h uses key head h / group: queries are [B, kv_heads, group, T, head_dim], keys and
  // values [B, kv_heads, 1, T, head_dim].
  const std::int64_t group = num_heads_ / num_kv_heads_;
  const at::Tensor queries = q.unflatten(2, {num_kv_heads_, group}).permute({0, 2, 3, 1, 4});
  const at::Tensor keys = k.permute({0, 2, 1, 3}).unsqueeze(2);
  const at::Tensor values = v.permute({0, 2, 1, 3}).unsqueeze(2);
  const at::Tensor logits = at::matmul(queries, keys.transpose(-2, -1)) / std::sqrt(head_dim_);
  const at::Tensor weights = maybe_dropout(logits.softmax(-1), dropout_, generator);
  return at::matmul(weights, values).permute({0, 3, 1, 2, 4}).flatten(2, 3);
}

SwiGluImpl::SwiGluImpl(std::int64_t width, double dropout) : dropout_(dropout) {
  const std::int64_t inner = (static_cast<std::int64_t>(2.667 * double(width)) + 7) / 8 * 8;
  w_gate = register_module("w_gate", linear_without_bias(width, inner));
  w_up = register_module("w_up", linear_without_bias(width, inner));
  w_down = register_module("w_down", linear_without_bias(inner, width));
}

at::Tensor SwiGluImpl::forward(const at::Tensor& x, at::Generator* generator) {
  return maybe_dropout(w_down(at::silu(w_gate(x)) * w_up(x)), dropout_, generator);
}

}  // namespace roboimi::attnres
