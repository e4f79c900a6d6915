// Diffusion Policy's transformer. Its inputs are a noisy action chunk, a time and the observations;
// its output has the shape of the chunk.
//
//   Transformer network(TransformerOptions{.n_emb = 256, .n_layer = 8}, spec);
//   at::Tensor y = network(z, times, cond, /*generator=*/nullptr);     // [B, H, A]
//
//   memory = Linear(Mish(Linear([time, W_o cond] + cond_pos_emb)))       1 + To tokens
//   x      = W_i z + pos_emb                                             H tokens
//   layer:   x += SelfAttention(LN(x)); x += CrossAttention(LN(x), memory); x += FFN(LN(x))
//   y      = W_h LN(x)
//
// Self-attention is causal; FFN is Linear(4 D), GELU (erf), Linear. Parameters have the names of
// Diffusion Policy's state_dict. Source: Diffusion Policy, arXiv 2303.04137.
#pragma once

#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>

#include <cstdint>

#include "roboimi/contract/head.h"

namespace roboimi::diffusion_head {

// Which observations an action attends to. Every action attends to the time token.
enum class MemoryMask {
  kCausal,  // action t sees observations 0 .. t; both start at the same row
  kFull,    // every action sees every observation
};

struct TransformerOptions {
  std::int64_t n_emb = 256;
  std::int64_t n_layer = 8;
  std::int64_t n_head = 4;
  double p_drop_emb = 0.0;
  double p_drop_attn = 0.3;
  MemoryMask memory_mask = MemoryMask::kCausal;
};

// Inputs that all decoder layers share. A null generator disables dropout.
struct DecoderContext {
  at::Tensor memory;                  // [B, 1 + To, D]
  at::Tensor self_mask, memory_mask;  // additive, [H, H] and [H, 1 + To]
  double dropout = 0.0;
  at::Generator* generator = nullptr;

  at::Tensor drop(const at::Tensor& x) const;
};

class AttentionImpl : public torch::nn::Module {
 public:
  AttentionImpl(std::int64_t width, std::int64_t num_heads);
  // x [B, T, D] attends to itself.
  at::Tensor forward(const at::Tensor& x, const DecoderContext& context);
  // x [B, T, D] attends to the context's memory.
  at::Tensor cross(const at::Tensor& x, const DecoderContext& context);

  at::Tensor in_proj_weight, in_proj_bias;  // [3 D, D], [3 D]: query, key, value
  torch::nn::Linear out_proj{nullptr};

 private:
  // q [B, T, D], k and v [B, S, D] -> [B, T, D]
  at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                    const at::Tensor& mask, const DecoderContext& context);
  std::int64_t num_heads_;
};
TORCH_MODULE(Attention);

class DecoderLayerImpl : public torch::nn::Module {
 public:
  DecoderLayerImpl(std::int64_t width, std::int64_t num_heads);
  at::Tensor forward(const at::Tensor& tokens, const DecoderContext& context);

  Attention self_attn{nullptr}, multihead_attn{nullptr};
  torch::nn::Linear linear1{nullptr}, linear2{nullptr};
  torch::nn::LayerNorm norm1{nullptr}, norm2{nullptr}, norm3{nullptr};
};
TORCH_MODULE(DecoderLayer);

// The MLP over memory tokens. Its linear layers are named "0" and "2", as in a Sequential with
// Mish.
class MemoryEncoderImpl : public torch::nn::Module {
 public:
  explicit MemoryEncoderImpl(std::int64_t width);
  at::Tensor forward(const at::Tensor& tokens);

 private:
  torch::nn::Linear first_{nullptr}, last_{nullptr};
};
TORCH_MODULE(MemoryEncoder);

class DecoderImpl : public torch::nn::Module {
 public:
  explicit DecoderImpl(const TransformerOptions& options);
  torch::nn::ModuleList layers;
};
TORCH_MODULE(Decoder);

class TransformerImpl : public torch::nn::Module {
 public:
  // Throws Error if n_head does not divide n_emb, or n_emb is odd or less than 4.
  TransformerImpl(const TransformerOptions& options, const HeadSpec& spec);

  // z [B, H, A]; times [B], positive, up to about 100; cond [B, To, C] -> [B, H, A]. A null
  // generator disables dropout.
  at::Tensor forward(const at::Tensor& z, const at::Tensor& times, const at::Tensor& cond,
                     at::Generator* generator);
  // Sinusoidal time embedding, [N] -> [N, D]: [sin(w t), cos(w t)], w_k = 10000^(-k / (D / 2 - 1)).
  at::Tensor time_features(const at::Tensor& times) const;
  // Additive attention masks [H, H] and [H, 1 + To], with the dtype and device of `like`: 0 where
  // visible, -inf where hidden.
  at::Tensor self_mask(const at::Tensor& like) const;
  at::Tensor memory_mask(const at::Tensor& like) const;
  const TransformerOptions& options() const { return options_; }
  const HeadSpec& spec() const { return spec_; }

  torch::nn::Linear input_emb{nullptr}, cond_obs_emb{nullptr}, head{nullptr};
  at::Tensor pos_emb, cond_pos_emb;  // [1, H, D], [1, 1 + To, D]
  MemoryEncoder encoder{nullptr};
  Decoder decoder{nullptr};
  torch::nn::LayerNorm ln_f{nullptr};

 private:
  void initialize();
  TransformerOptions options_;
  HeadSpec spec_;
};
TORCH_MODULE(Transformer);

}  // namespace roboimi::diffusion_head
