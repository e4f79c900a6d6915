// The network as sampling runs it: one chunk takes many evaluations, so what they share is computed
// once.
//
//   Denoiser denoiser(network, {90.0, 80.0, ...});     // once per set of weights
//   denoiser.observe(cond);                            // once per chunk
//   at::Tensor y = denoiser.evaluate(z, step);         // per evaluation, [B, H, A]
//
// A memory token depends on itself alone, so that the observations' are fixed for a chunk, and the
// time's for a set of weights: all times are tabulated. Cross-attention then needs no projection of
// the actions. With few keys k_s and values v_s the query and output matrices go into them,
//
//   q . k_s = x . (W_q^T k_s) + b_q . k_s,        W_o sum_s p_s v_s = sum_s p_s (W_o v_s),
//
// two thin products per layer instead of two D x D ones. Holds copies of the weights; stale() says
// whether they have changed since.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "modules/vit/packed_linear.h"
#include "plugins/diffusion_head/transformer.h"

namespace roboimi::diffusion_head {

class Denoiser {
 public:
  // times: of the evaluations, in their order.
  Denoiser(Transformer network, const std::vector<double>& times);

  // cond [B, To, C]
  void observe(const at::Tensor& cond);
  // z [B, H, A], step an index of times; after observe().
  at::Tensor evaluate(const at::Tensor& z, std::int64_t step);
  // Off the CPU always true: looking would cost more than copying.
  bool stale() const;

 private:
  struct Layer {
    at::Tensor norm1_weight, norm1_bias, norm2_weight, norm2_bias, norm3_weight, norm3_bias;
    vit::PackedLinear qkv, out, fc1, fc2;
  };
  // Of N memory tokens for all layers: logit = x . key + offset; out = sum of weighted values.
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
  std::vector<double> fingerprint_;
  std::int64_t rows_ = 0;  // what the weights are laid out for
  std::vector<Layer> layers_;
  at::Tensor input_weight_, positions_, head_weight_, head_bias_, norm_weight_, norm_bias_;
  // All layers' cross-attention: [L 2 D, D] and [L 2 D] key and value; [L heads, head_dim, D].
  at::Tensor memory_weight_, memory_bias_, query_weight_, out_weight_;
  at::Tensor query_bias_;  // [L heads, head_dim, 1]
  at::Tensor out_bias_;    // [L, 1, 1, D], a head's share
  Folded times_;           // N = evaluations

  // Of the observed chunk; memory token 0 is the time. [L, B, heads, S, D], [L, B, H, heads, S].
  std::int64_t batch_ = 0;
  at::Tensor keys_, values_, offsets_;
};

}  // namespace roboimi::diffusion_head
