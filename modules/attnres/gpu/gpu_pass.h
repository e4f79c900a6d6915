// FusedPass for GPUs: the same pass with the kernels of kernels.cu and cuBLAS products. Values and
// tangents share every product and every kernel. Computes in float32, optionally with matrices in
// bfloat16.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "modules/attnres/dropout_masks.h"
#include "modules/attnres/dual.h"
#include "modules/attnres/fused_pass.h"
#include "modules/attnres/gpu/arguments.h"
#include "modules/attnres/gpu/launcher.h"

namespace roboimi::attnres::gpu {

class GpuPass {
 public:
  // half: bfloat16 matrices. keep: forward() stores what backward() needs.
  GpuPass(const FusedShape& shape, FusedWeights weights, const RopeAngles& angles,
          DropoutMasks masks, const Launcher& launcher, bool half, bool keep);

  // x float32 [B, T, D]
  Dual forward(const Dual& x);
  // grad: gradient of the output's value, [B, T, D]. May be called once, after forward().
  FusedGradients backward(const at::Tensor& grad);

 private:
  // Tensors of a sublayer that backward() reads. `in` and `out` are the weights as used in
  // products.
  struct Saved {
    at::Tensor sum, normed, inner, mixed, in, out;
  };

  at::Tensor product(const at::Tensor& a, const at::Tensor& b) const;
  void product_into(at::Tensor& out, const at::Tensor& a, const at::Tensor& b) const;
  at::Tensor for_product(std::int64_t rows, std::int64_t width) const;
  at::Tensor values_of(const at::Tensor& both) const { return both.narrow(0, 0, value_rows_); }

  void read(std::int64_t reader, const at::Tensor& norm, const at::Tensor& sum,
            const at::Tensor& normed) const;
  void activate(std::size_t layer, const at::Tensor& inner, const at::Tensor& mixed) const;
  at::Tensor read_backward(std::int64_t reader, const at::Tensor& norm,
                           const at::Tensor& grad_normed) const;
  at::Tensor activate_backward(std::size_t layer, const at::Tensor& grad) const;

  template <typename Arguments>
  Arguments depth_of(std::int64_t reader) const;
  AttendArguments attention(std::size_t layer, const at::Tensor& inner) const;
  SwiGluArguments gate(const at::Tensor& inner) const;
  std::int64_t num_readers() const { return weights_.queries.size(0); }
  bool attends(std::size_t layer) const { return layer % 2 == 0; }

  FusedShape shape_;
  FusedWeights weights_;
  RopeAngles angles_;
  DropoutMasks masks_;
  const Launcher& launcher_;
  bool half_, keep_;

  std::int64_t batch_ = 0, tangent_batch_ = 0, length_ = 0, value_rows_ = 0, tangent_rows_ = 0;
  at::TensorOptions options_;
  at::Tensor sources_;  // [sources, of both, D]
  at::Tensor inverse_rms_, logits_, logit_tangents_, mixture_;
  std::vector<Saved> saved_;
  at::Tensor grad_logits_, grad_sums_, grad_total_, coefficients_;
  at::Tensor grad_norms_;  // [layers, of values, D], each row's part of the sum
};

// Whether the kernels support these sizes: the head dimension is a multiple of four, and a block's
// shared memory is large enough for tokens [*, length, D].
bool fits(const Launcher& launcher, const FusedShape& shape, std::int64_t num_layers,
          std::int64_t length);

}  // namespace roboimi::attnres::gpu
