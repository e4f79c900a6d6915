// Matrix products with oneDNN, which is three times as fast as at::mm on processors for which MKL
// is not optimized. They are not differentiable; use them in passes that implement their own
// backward.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace roboimi::attnres {

// x [R, K] times the transpose of weight [N, K] -> [R, N]. Both may be strided, so that
//   product_of(grad, weight.t())    is the gradient of x, and
//   product_of(grad.t(), x.t())     is the gradient of weight.
// Falls back to at::mm if oneDNN has no such kernel (other dtypes and devices). If the weight is
// prepacked in bfloat16, x is rounded to bfloat16, too; the result has the dtype of x.
at::Tensor product_of(const at::Tensor& x, const at::Tensor& weight);

// Repacks weight [N, K] for products with `rows` rows, rounded to bfloat16 if `half_precision`.
// Returns `weight` itself if oneDNN is not used. The result is opaque and only valid for
// product_of().
at::Tensor prepack(const at::Tensor& weight, std::int64_t rows, bool half_precision);

}  // namespace roboimi::attnres
