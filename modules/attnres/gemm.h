// Matrix products through oneDNN, which on processors that MKL does not favour is three times as
// fast as at::mm. Not differentiable: for passes that write their own backward.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace roboimi::attnres {

// x [R, K] times the transpose of weight [N, K] -> [R, N]. Either may be strided, so that
//   product_of(grad, weight.t())    is the gradient of x, and
//   product_of(grad.t(), x.t())     is the gradient of weight.
// at::mm where oneDNN has no such kernel (other dtypes and devices). With a weight prepacked in
// bfloat16 x is rounded to it too, and the result is x's type again.
at::Tensor product_of(const at::Tensor& x, const at::Tensor& weight);

// weight [N, K] laid out for products with `rows` rows, rounded to bfloat16 where `half_precision`;
// itself where oneDNN is not used. What it returns is opaque, and fit for product_of() alone.
at::Tensor prepack(const at::Tensor& weight, std::int64_t rows, bool half_precision);

}  // namespace roboimi::attnres
