// A linear layer for inference, y = activation(x W^T + b) (+ residual), whose weights are repacked
// once for oneDNN's kernels.
//
// On CPUs this is about twice as fast as at::linear, which uses MKL in fp32 and repacks the weights
// in every call in bf16. Without oneDNN, and on other devices, it calls at::linear.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace roboimi::vit {

enum class Activation { kNone, kGelu };  // kGelu: exact, with erf

class PackedLinear {
 public:
  PackedLinear() = default;
  // weight [out, in] and bias [out] of any floating dtype, converted to `dtype`. The layout is
  // optimized for `expected_rows`, but any number of rows works.
  PackedLinear(const at::Tensor& weight, const at::Tensor& bias, at::ScalarType dtype,
               std::int64_t expected_rows);

  // x [rows, in] of that dtype -> [rows, out].
  at::Tensor forward(const at::Tensor& x, Activation activation = Activation::kNone) const;
  // forward(x) + residual; residual [rows, out].
  at::Tensor forward_add(const at::Tensor& x, const at::Tensor& residual) const;

 private:
  at::Tensor weight_, bias_;
  bool packed_ = false;
};

}  // namespace roboimi::vit
