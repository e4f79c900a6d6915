// LEWM's predictor, which predicts the embedding of each next frame from the embeddings so far and
// the actions in between.
//
//   Predictor predictor(PredictorOptions{});
//   at::Tensor next = predictor->forward(embeddings, actions, generator);   // [B, T, 192] each
//
// It is a causal transformer whose blocks are modulated by the actions (adaLN-zero, DiT, arXiv
// 2212.09748). With shift, scale and gate from Linear(silu(actions)), all initialized to zero:
//
//   x = x + gate_1 * attention(LN(x) * (1 + scale_1) + shift_1)
//   x = x + gate_2 * mlp(LN(x) * (1 + scale_2) + shift_2)
//
// These LN have no weights; attention and mlp each start with an LN that has. Parameters are named
// as in LeWorldModel's released weights (lucas-maes/le-wm). Dropout (also of the attention weights)
// is only active in training mode and uses the generator passed to forward().
#pragma once

#include <ATen/core/Generator.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/container/moduledict.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>

#include <cstdint>

namespace roboimi::lewm {

struct PredictorOptions {
  std::int64_t width = 192;  // D, embedding dimension
  std::int64_t frames = 3;   // maximum history length
  std::int64_t depth = 6;    // number of blocks
  std::int64_t heads = 16;   // attention heads
  std::int64_t head_dim = 64;
  std::int64_t mlp_dim = 2048;
  double dropout = 0.1;
};

class PredictorAttentionImpl : public torch::nn::Module {
 public:
  explicit PredictorAttentionImpl(const PredictorOptions& options);
  // [B, T, D] -> [B, T, D], causal.
  at::Tensor forward(const at::Tensor& x, at::Generator& generator);

 private:
  at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                    at::Generator& generator) const;

  std::int64_t heads_;
  double dropout_;
  torch::nn::LayerNorm norm_{nullptr};
  torch::nn::Linear to_qkv_{nullptr}, out_{nullptr};
  torch::nn::ModuleDict to_out_{nullptr};  // "0"
};
TORCH_MODULE(PredictorAttention);

class PredictorMlpImpl : public torch::nn::Module {
 public:
  explicit PredictorMlpImpl(const PredictorOptions& options);
  at::Tensor forward(const at::Tensor& x, at::Generator& generator);  // [B, T, D] -> [B, T, D]

 private:
  double dropout_;
  torch::nn::LayerNorm norm_{nullptr};
  torch::nn::Linear first_{nullptr}, last_{nullptr};
  torch::nn::ModuleDict net_{nullptr};  // "0", "1" and "4"
};
TORCH_MODULE(PredictorMlp);

class PredictorBlockImpl : public torch::nn::Module {
 public:
  explicit PredictorBlockImpl(const PredictorOptions& options);
  // x, condition: [B, T, D] -> [B, T, D].
  at::Tensor forward(const at::Tensor& x, const at::Tensor& condition, at::Generator& generator);

 private:
  PredictorAttention attention_{nullptr};
  PredictorMlp mlp_{nullptr};
  torch::nn::Linear modulation_{nullptr};             // D -> 6 D
  torch::nn::ModuleDict modulation_holder_{nullptr};  // "1"
};
TORCH_MODULE(PredictorBlock);

class PredictorImpl : public torch::nn::Module {
 public:
  explicit PredictorImpl(const PredictorOptions& options);
  // embeddings, actions: [B, T, D] with T <= `frames` -> [B, T, D]. Row t depends on rows 0 .. t.
  at::Tensor forward(const at::Tensor& embeddings, const at::Tensor& actions,
                     at::Generator& generator);

  at::Tensor pos_embedding;  // [1, frames, D]

 private:
  // Contains the blocks and the last norm, registered as `transformer`.
  class TransformerImpl : public torch::nn::Module {
   public:
    explicit TransformerImpl(const PredictorOptions& options);
    torch::nn::ModuleList layers{nullptr};  // of PredictorBlock
    torch::nn::LayerNorm norm{nullptr};
  };
  std::shared_ptr<TransformerImpl> transformer_;
};
TORCH_MODULE(Predictor);

}  // namespace roboimi::lewm
