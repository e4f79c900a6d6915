// The inference form of the transformer: it computes once what the many evaluations of a chunk
// share.
//
//   Denoiser denoiser(network, {90.0, 80.0, ...});     // once per set of weights
//   denoiser.observe(cond);                            // once per chunk
//   at::Tensor y = denoiser.evaluate(z, step);         // per evaluation, [B, H, A]
//
// A memory token depends only on its own input. The observation tokens are therefore fixed for a
// chunk, and the time tokens for a set of weights, so they are tabulated for all times.
// Cross-attention then needs no projection of the actions: there are few keys k_s and values v_s,
// so the query and output matrices are folded into them,
//
//   q . k_s = x . (W_q^T k_s) + b_q . k_s,        W_o sum_s p_s v_s = sum_s p_s (W_o v_s),
//
// which takes two thin products per layer instead of two D x D ones. A Denoiser holds copies of the
// weights; stale() reports whether the originals have changed.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "modules/vit/packed_linear.h"
#include "plugins/diffusion_head/transformer.h"
#include "plugins/diffusion_head/weight_state.h"

namespace roboimi::diffusion_head {

class Denoiser {
 public:
  // times: the evaluation times, in order.
  Denoiser(Transformer network, const std::vector<double>& times);

  // Sets the condition of the next evaluations. cond [B, To, C].
  void observe(const at::Tensor& cond);
  // The network's output [B, H, A] for z [B, H, A] at times[step]. Call observe() first.
  at::Tensor evaluate(const at::Tensor& z, std::int64_t step);
  // Whether the network's weights have changed since construction.
  bool stale() const;

 private:
  struct Layer {
    at::Tensor norm1_weight, norm1_bias, norm2_weight, norm2_bias, norm3_weight, norm3_bias;
    vit::PackedLinear qkv, out, fc1, fc2;
  };
  // Folded keys and values of N memory tokens in all layers: logit = x . key + offset, output = sum
  // of weighted values.
  struct Folded {
    at::Tensor keys, values;  // [L, heads, N, D]
    at::Tensor offsets;       // [L, heads, N]
  };

  void pack(std::int64_t rows);
  void stack_cross_attention();
  Folded fold(const at::Tensor& memory) const;
  at::Tensor self_attention(const Layer& layer, const at::Tensor& x) const;
  at::Tensor cross_attention(std::int64_t index, const at::Tensor& x) const;
  at::Tensor norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) const;

  Transformer network_;
  WeightState weights_;    // that the copies were made from
  std::int64_t rows_ = 0;  // B * H that the packed weights are laid out for
  std::vector<Layer> layers_;
  at::Tensor input_weight_, positions_, head_weight_, head_bias_, norm_weight_, norm_bias_;
  // Cross-attention of all layers: key and value [L 2 D, D] and [L 2 D]; query and output [L heads,
  // head_dim, D].
  at::Tensor memory_weight_, memory_bias_, query_weight_, out_weight_;
  at::Tensor query_bias_;  // [L heads, head_dim, 1]
  at::Tensor out_bias_;    // [L, 1, 1, D], divided by the number of heads
  Folded times_;           // N = evaluations

  // Memory of the current condition; token 0 is the time. [L, B, heads, S, D], [L, B, H, heads, S].
  std::int64_t batch_ = 0;
  at::Tensor keys_, values_, offsets_;
};

}  // namespace roboimi::diffusion_head
