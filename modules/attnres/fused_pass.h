// The full attention-residual transformer as one hand-written pass: it computes values, their
// derivatives along given directions, and the backward pass of the values. Runs on CPUs in float or
// double; see gpu/gpu_pass.h for GPUs (float). Dropout masks are inputs (dropout_masks.h).
//
// Compared with composed operators, it avoids an autograd graph for the tangents (only their values
// are needed), re-reading data for each elementwise step, and accumulating a source's gradient per
// reader: it is computed once, when all readers' gradients are known.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "modules/attnres/dropout_masks.h"
#include "modules/attnres/dual.h"
#include "modules/attnres/kernels.h"
#include "modules/attnres/rope.h"

namespace roboimi::attnres {

namespace gpu {
class Launcher;
}

struct FusedShape {
  std::int64_t width, num_heads, num_kv_heads;
  bool final_reader;  // the output is another depth attention instead of the sum of all sources
};

// Weights of all sublayers. in: [w_q; w_k; w_v] or [w_gate; w_up]; out: w_o or w_down. Even
// sublayers are attention. Matrices may be prepacked (gemm.h) if no gradient is needed.
struct FusedWeights {
  struct SubLayer {
    at::Tensor norm, in, out;
  };
  std::vector<SubLayer> layers;
  at::Tensor queries;  // [readers, D]
};

struct FusedGradients {
  at::Tensor x;
  FusedWeights weights;
};

template <typename T>
class FusedPass {
 public:
  // keep: forward() stores what backward() needs.
  FusedPass(const FusedShape& shape, FusedWeights weights, const RopeAngles& angles,
            DropoutMasks masks, bool keep);

  Dual forward(const Dual& x);

  // grad: gradient of the output's value, [B, T, D]. May be called once, after forward().
  FusedGradients backward(const at::Tensor& grad);

 private:
  // Tensors of a sublayer that backward() reads: rows of values, in some followed by tangents.
  struct Saved {
    at::Tensor input, normed, inner, mixed;
  };

  void push(const at::Tensor& source);
  at::Tensor read(std::size_t reader);
  at::Tensor norm(const at::Tensor& h, const at::Tensor& weight) const;
  at::Tensor activate(std::size_t layer, const at::Tensor& inner) const;
  at::Tensor sum_of_sources() const;

  at::Tensor source_backward(std::size_t source, at::Tensor& grad_queries);
  at::Tensor activate_backward(std::size_t layer, const at::Tensor& grad) const;
  at::Tensor norm_backward(std::size_t layer, const at::Tensor& grad, at::Tensor& grad_norm) const;
  void read_backward(std::size_t reader, const at::Tensor& grad);

  kernels::Depth<T> depth() const;
  kernels::Attention<T> attention(std::size_t layer, const at::Tensor& inner) const;
  std::int64_t num_readers() const { return weights_.queries.size(0); }
  // A pointer to the value rows of the samples that have tangents.
  T* tail(const at::Tensor& rows) const;

  FusedShape shape_;
  FusedWeights weights_;
  RopeAngles angles_;
  DropoutMasks masks_;
  bool keep_;

  std::int64_t batch_ = 0, length_ = 0;
  std::int64_t value_rows_ = 0, tangent_rows_ = 0;
  // Rows of values followed by rows of tangents, [value_rows + tangent_rows, D].
  std::vector<at::Tensor> sources_;
  std::vector<const T*> source_rows_, tail_rows_, tangent_source_rows_;
  // Per token; see kernels::Depth.
  at::Tensor inverse_rms_, logits_, logit_tangents_, mixture_, grad_logits_;
  std::vector<Saved> saved_;
  std::vector<at::Tensor> grad_sums_;
  std::vector<const T*> grad_sum_rows_;
  at::Tensor grad_total_;
};

extern template class FusedPass<float>;
extern template class FusedPass<double>;

// Runs the pass as a differentiable function of x.value and the weights, [B, T, D] -> [B, T, D].
Dual fused_forward(const FusedShape& shape, const FusedWeights& weights, const RopeAngles& angles,
                   const DropoutMasks& masks, const Dual& x);
// The same with GPU kernels, in float32. half: with matrices in bfloat16.
Dual fused_forward(const FusedShape& shape, const FusedWeights& weights, const RopeAngles& angles,
                   const DropoutMasks& masks, const Dual& x, const gpu::Launcher& launcher,
                   bool half);

}  // namespace roboimi::attnres
