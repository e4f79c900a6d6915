// The layers of a transformer block: RMSNorm, grouped-query self-attention and SwiGLU, all without
// biases. Parameter names are those of the public IMF head.
//
// A null generator disables dropout; otherwise it provides the random numbers for dropout.
#pragma once

#include <ATen/core/Generator.h>
#include <torch/nn/modules/linear.h>

#include <cstdint>

#include "modules/attnres/rope.h"

namespace roboimi::attnres {

inline constexpr double kNormEpsilon = 1e-6;

// x / sqrt(mean(x^2) + 1e-6) over the last dimension, [..., D] -> [..., D].
at::Tensor rms_normalize(const at::Tensor& x);

// The derivative of weight * rms_normalize(x) along dx.
at::Tensor rms_norm_tangent(const at::Tensor& x, const at::Tensor& dx, const at::Tensor& weight);

class RmsNormImpl : public torch::nn::Module {
 public:
  explicit RmsNormImpl(std::int64_t width);
  at::Tensor forward(const at::Tensor& x);  // [..., D] -> [..., D]

  at::Tensor weight;  // [D]
};
TORCH_MODULE(RmsNorm);

// Full (not causal) self-attention, in which num_heads / num_kv_heads query heads share a key and a
// value head. Uses matrix products and softmax, because scaled_dot_product_attention has no forward
// derivative on CPUs.
class GroupedQueryAttentionImpl : public torch::nn::Module {
 public:
  // num_heads must divide width, and num_kv_heads must divide num_heads.
  GroupedQueryAttentionImpl(std::int64_t width, std::int64_t num_heads, std::int64_t num_kv_heads,
                            double dropout);
  // x [B, T, width] -> [B, T, width]
  at::Tensor forward(const at::Tensor& x, const RopeTable& rope, at::Generator* generator);

  torch::nn::Linear w_q{nullptr}, w_k{nullptr}, w_v{nullptr}, w_o{nullptr};

 private:
  at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                    at::Generator* generator) const;

  std::int64_t num_heads_, num_kv_heads_, head_dim_;
  double dropout_;
};
TORCH_MODULE(GroupedQueryAttention);

// SwiGLU, w_down(silu(w_gate x) * w_up x). The inner width is 2.667 * width, rounded down and then
// up to a multiple of 8.
class SwiGluImpl : public torch::nn::Module {
 public:
  SwiGluImpl(std::int64_t width, double dropout);
  at::Tensor forward(const at::Tensor& x, at::Generator* generator);  // [..., D] -> [..., D]

  torch::nn::Linear w_gate{nullptr}, w_up{nullptr}, w_down{nullptr};

 private:
  double dropout_;
};
TORCH_MODULE(SwiGlu);

}  // namespace roboimi::attnres
