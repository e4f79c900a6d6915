// A transformer whose sublayers read all earlier outputs (attention residuals), or a transformer
// with plain pre-norm residuals for comparison.
//
//   Transformer net(TransformerOptions{.width = 384, .num_blocks = 12, .num_heads = 8,
//                                      .num_kv_heads = 8});
//   y = net->forward(x);             // [B, T, 384] -> [B, T, 384]
//   y = net->infer(x);               // the same, fast for small batches; no gradients
//   dual = net->forward_dual({x, direction});   // y and its derivative along the direction
//
// A block consists of two sublayers, attention and SwiGLU. Sublayer l computes
//   h = depth attention over the sources,  v = fn(norm(h)),
// and v becomes a source. Parameters: layers.N.{norm.weight, attn_res.pseudo_query, fn.w_*.weight}.
#pragma once

#include <torch/nn/modules/container/modulelist.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "modules/attnres/depth_attention.h"
#include "modules/attnres/fused_pass.h"
#include "modules/attnres/layers.h"
#include "modules/attnres/packed_weights.h"

namespace roboimi::attnres {

enum class Residual {
  kAttention,  // depth attention
  kPlain,      // the running sum of all sources, as in a pre-norm transformer
};

enum class Output {
  kSum,             // sum of all sources (as in the public head)
  kDepthAttention,  // another depth attention (as in the paper)
};

struct TransformerOptions {
  std::int64_t width = 384;
  std::int64_t num_blocks = 12;
  std::int64_t num_heads = 8;
  std::int64_t num_kv_heads = 8;
  double dropout = 0.0;
  Residual residual = Residual::kAttention;
  Output output = Output::kSum;
  // Number of sublayers whose outputs are summed into one source; 1: every output is a source.
  std::int64_t sublayers_per_source = 1;
  // Only for infer() with the fused pass: matrices in bfloat16.
  bool infers_in_bfloat16 = false;
};

class PseudoQueryImpl : public torch::nn::Module {
 public:
  explicit PseudoQueryImpl(std::int64_t width);
  at::Tensor pseudo_query;  // [D], initially 0, which gives a plain average
};
TORCH_MODULE(PseudoQuery);

class SubLayerImpl : public torch::nn::Module {
 public:
  SubLayerImpl(const TransformerOptions& options, bool is_attention);
  // fn(norm(h)), [B, T, D] -> [B, T, D].
  at::Tensor forward(const at::Tensor& h, const RopeTable& rope, at::Generator* generator);

  RmsNorm norm{nullptr};
  PseudoQuery attn_res{nullptr};  // null for plain residuals
  // One of these is registered as `fn`; the other is null.
  GroupedQueryAttention attention{nullptr};
  SwiGlu feed_forward{nullptr};
};
TORCH_MODULE(SubLayer);

class TransformerImpl : public torch::nn::Module {
 public:
  explicit TransformerImpl(const TransformerOptions& options);

  // [B, T, D] -> [B, T, D]. Without a generator (null), there is no dropout.
  at::Tensor forward(const at::Tensor& x, at::Generator* generator = nullptr);

  // Also computes the derivative along x.tangent, for the last samples. The value is
  // differentiable; the tangent is detached.
  Dual forward_dual(const Dual& x, at::Generator* generator = nullptr);

  // forward_dual() with GPU kernels; half: with matrices in bfloat16. x is float32.
  Dual forward_dual_on(const Dual& x, const gpu::Launcher& launcher, bool half,
                       at::Generator* generator = nullptr);

  // forward() without gradients, with weights repacked for few rows. They are repacked when the
  // parameters have changed, which is detected from a few elements of each. So change parameters as
  // a whole, like an optimizer or a checkpoint does.
  at::Tensor infer(const at::Tensor& x);

  // The same function, composed of ATen operators: works on any device and with every option, and
  // is differentiable in forward and reverse mode.
  at::Tensor forward_composed(const at::Tensor& x, at::Generator* generator = nullptr);
  Dual forward_dual_composed(const Dual& x, at::Generator* generator = nullptr);

 private:
  // Whether the fused pass supports the options.
  bool can_fuse() const;
  bool can_fuse_on_cpu(const at::Tensor& x) const;
  // Returns nullptr if the GPU kernels cannot compute this on x's device.
  const gpu::Launcher* launcher_for(const at::Tensor& x, const at::Generator* generator) const;
  FusedShape fused_shape() const;
  FusedWeights fused_weights() const;
  // No masks without dropout.
  DropoutMasks masks_for(const Dual& x, bool half, at::Generator* generator) const;
  // The readers' queries, [sublayers (+ 1 for the output), D].
  at::Tensor pseudo_queries() const;
  at::Tensor forward_plain(const at::Tensor& x, at::Generator* generator);
  at::Tensor forward_depth(const at::Tensor& x, at::Generator* generator);

  TransformerOptions options_;
  RopeTable rope_;
  std::vector<SubLayer> layers_;
  PseudoQuery final_attn_res_{nullptr};
  std::vector<at::Tensor> parameters_;  // of all submodules; they reflect updates and moves
  PackedWeights packed_;
};
TORCH_MODULE(Transformer);

}  // namespace roboimi::attnres
