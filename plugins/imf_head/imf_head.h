// An improved-MeanFlow (iMF) action head over an attention-residual transformer. It generates an
// action chunk from noise in one network evaluation.
//
//   ImfHead head({.n_emb = 384, .n_layer = 12}, spec);
//   head.loss(actions, cond, is_pad, generator).loss.backward();
//   actions = head.sample(cond, generator);         // [B, H, A]
//
// With t = 1 at the noise, z = (1 - t) x + t e. The network u(z, r, t) is the mean velocity from t
// to r. Training regresses V = u + (t - r) sg(du/dt) on e - x, with du/dt along (v, 0, 1) of
// (z, r, t) and v = sg(u(z, t, t)). Where r = t the correction is 0, and neither v nor du/dt is
// computed. Sampling: z_r = z_t - (t - r) u(z_t, r, t) on a grid from 1 to 0.
// Source: iMF, arXiv 2512.02012; loss and sampler as in ReactVLA, arXiv 2606.14255.
//
// On a GPU, sampling in evaluation mode is one CUDA graph per batch size
// (common/graphed_function.h): without one, the host launches several hundred kernels for a chunk.
//
// Parameters have the names of the public IMF head, so its state_dict can be loaded.
#pragma once

#include <torch/nn/modules/linear.h>

#include <optional>
#include <string>
#include <vector>

#include "modules/attnres/transformer.h"
#include "plugins/imf_head/latent.h"
#include "plugins/imf_head/objective.h"
#include "roboimi/common/graphed_function.h"
#include "roboimi/config/schema.h"
#include "roboimi/contract/head.h"

namespace roboimi::imf_head {

// The meaning of the network's output.
enum class Prediction {
  kVelocity,  // u(z, r, t)
  kSample,    // z - t u(z, r, t), near the actions (pixel MeanFlow, arXiv 2601.22158)
};

struct ImfOptions {
  std::int64_t n_emb = 384;
  std::int64_t n_layer = 12;
  std::int64_t n_head = 8;
  std::int64_t n_kv_head = 8;
  double dropout = 0.0;
  std::int64_t num_inference_steps = 1;
  double one_step_share = 0.0;      // see draw()
  bool infers_in_bfloat16 = false;  // in sample() only
  Prediction prediction = Prediction::kVelocity;
  LossKind loss = LossKind::kPseudoHuber;
  Latent latent = Latent::kIdentity;
  attnres::Output output = attnres::Output::kSum;
  attnres::Residual residual = attnres::Residual::kAttention;
  std::int64_t sublayers_per_source = 1;  // attnres: full, or block(n)
  std::string checkpoint = {};            // empty: train from scratch
  std::string state_dict = {};            // which weights in it; empty: the only ones
};

class ImfHead : public Head {
 public:
  // Throws Error for invalid sizes, or a checkpoint that does not fit.
  ImfHead(const ImfOptions& options, const HeadSpec& spec);
  ~ImfHead() override;

  const HeadSpec& spec() const override { return spec_; }
  LossReport loss(const at::Tensor& actions, const Condition& condition, const at::Tensor& is_pad,
                  at::Generator& generator) override;
  at::Tensor sample(const Condition& condition, const BatchGenerator& noise,
                    const at::Tensor& prefix = {}) override;
  // All matrices; not biases, norms and pseudo-queries.
  bool decays(const std::string& name, const at::Tensor& parameter) const override;

  // The mean velocity u(z, r, t). z [B, H, A]; r, t [B]; cond [B, T, C] -> [B, H, A]. A null
  // generator disables dropout.
  at::Tensor velocity(const at::Tensor& z, const at::Tensor& r, const at::Tensor& t,
                      const at::Tensor& cond, at::Generator* generator = nullptr);

  // V [B, H, A] for z at the times of a draw; du/dt is computed for samples num_equal .. B - 1.
  at::Tensor compound_velocity(const at::Tensor& z, const Draw& draw, const at::Tensor& cond,
                               at::Generator* generator = nullptr);

  // loss() with given random numbers.
  LossReport objective(const at::Tensor& actions, const at::Tensor& cond, const at::Tensor& is_pad,
                       const Draw& draw, at::Generator* generator = nullptr);

  // Samples actions from given noise [B, H, A].
  at::Tensor integrate(const at::Tensor& noise, const at::Tensor& cond);
  // The same without a graph.
  at::Tensor integrate_directly(const at::Tensor& noise, const at::Tensor& cond);

  void train(bool on = true) override;

 private:
  void initialize();
  // Throws Error for weights of the public head, which predicts the velocity, if this head predicts
  // the sample.
  void load_checkpoint();
  // Sinusoidal embedding, [B] -> [B, n_emb]: [sin(w t), cos(w t)], w_k = 10000^(-k / (n_emb / 2 -
  // 1)).
  at::Tensor time_features(const at::Tensor& times) const;
  // The transformer's input tokens [B, 2 + T + H, n_emb].
  at::Tensor embed(const at::Tensor& z, const at::Tensor& r, const at::Tensor& t,
                   const at::Tensor& cond);
  // The derivative of embed() along (dz, 0, 1) of (z, r, t).
  at::Tensor embed_tangent(const at::Tensor& dz, const at::Tensor& t);
  // The network's output [B, H, A] from the transformer's tokens.
  at::Tensor read_out(const at::Tensor& mixed);
  // The derivative of read_out() at `mixed` along `tangent`.
  at::Tensor read_out_tangent(const at::Tensor& mixed, const at::Tensor& tangent);

  // u(z, r, t) from the network's output, and its derivative from the output's derivative. t [B].
  at::Tensor to_velocity(const at::Tensor& output, const at::Tensor& z, const at::Tensor& t) const;
  at::Tensor to_velocity_tangent(const at::Tensor& output_tangent, const at::Tensor& dz,
                                 const at::Tensor& u, const at::Tensor& t) const;

  void drop_stale_graphs();

  ImfOptions options_;
  HeadSpec spec_;
  LatentSpace latent_;
  torch::nn::Linear input_emb_{nullptr}, cond_obs_emb_{nullptr}, time_token_proj_{nullptr};
  attnres::Transformer transformer_{nullptr};
  attnres::RmsNorm ln_f_{nullptr};
  torch::nn::Linear head_{nullptr};
  GraphedFunction sampling_;                  // integrate_directly(), on a GPU
  std::vector<const void*> graphed_weights_;  // the parameters' addresses in its graphs
};

Schema schema();
std::shared_ptr<Head> create(const Options& options, const HeadSpec& spec);

}  // namespace roboimi::imf_head
