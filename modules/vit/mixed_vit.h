// A VitEncoder's forward pass in bfloat16 that moves about half the memory of libtorch's autocast,
// for training on a GPU, where memory bounds a small ViT.
//
//   at::Tensor cls = forward_mixed(*encoder, pixels, at::kBFloat16);   // float [N, D], with
//                                                                      // gradients
//
// It differs from forward() under autocast as follows:
// - The tokens between the blocks are kept in bfloat16 instead of float32, and LayerNorm, which
//   computes in float32, reads and writes bfloat16. No activation is cast; autocast casts the
//   output of LayerNorm for each of query, key and value, and their gradients back.
// - LayerNorm's gain and bias are part of the next matrix: (g * n + b) W^T = n (W g)^T + W b. Their
//   gradients are those of small matrices instead of sums over all tokens.
// - Query, key and value are one product.
// - Patches are projected by a matrix product instead of a convolution.
// - The last block computes its query, its output and its MLP only for the class token, because the
//   result uses no other one.
//
// With dtype float it equals forward() up to rounding, also in its gradients. In bfloat16, with the
// shipped encoder's weights (12 blocks), the features differ from float32 by 0.6 % and the
// gradients by 0.65 % (Euclidean norms; measured on a CPU); under autocast by 0.13 % and 0.43 %.
// With freshly initialized weights the four are 1.2 % and 1.2 %, 0.7 % and 0.8 %.
#pragma once

#include <ATen/core/Tensor.h>

#include "modules/vit/vit.h"

namespace roboimi::vit {

// Normalized pixels, floating [N, 3, H, W] -> float [N, D]. `dtype`: of activations and products.
at::Tensor forward_mixed(VitEncoderImpl& encoder, const at::Tensor& pixels, at::ScalarType dtype);

// Whether forward() should use forward_mixed() with bfloat16: for pixels on a GPU under autocast in
// bfloat16 while gradients are recorded, after both have been compared with float32 on a few of
// these images. The relative error of the features and of all gradients (Euclidean norms) may be at
// most kMostErrorRatio times that of autocast, plus kMostAddedError.
bool uses_mixed_form(VitEncoderImpl& encoder, const at::Tensor& pixels);

constexpr double kMostErrorRatio = 3.0;
constexpr double kMostAddedError = 0.01;

// The comparison. `dtype` is that of forward_mixed(), and autocast's. Throws Error if the errors
// are larger.
void compare_mixed_form(VitEncoderImpl& encoder, const at::Tensor& pixels, at::ScalarType dtype);

}  // namespace roboimi::vit
