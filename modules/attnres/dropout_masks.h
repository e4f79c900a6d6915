// The dropout masks of one run of the fused pass.
//
// The composed operators draw a mask wherever they need one. The fused pass processes samples with
// and without tangents together, so its masks are drawn before it, in the same order, shapes and
// dtypes: equal generators give equal masks in both forms.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "modules/attnres/dual.h"

namespace roboimi::attnres {

// The elements are 0 or 1 / (1 - p). A sample's value and its tangent share the mask.
struct DropoutMasks {
  struct SubLayer {
    at::Tensor attention;  // of the attention weights, [B, heads, T, T]; undefined for SwiGLU
    at::Tensor output;     // [B T, D]
  };
  std::vector<SubLayer> layers;  // empty without dropout

  bool any() const { return !layers.empty(); }
  // Multiplies rows of a sublayer's output, or of its gradient, by the mask in place. Rows of
  // tangents may follow the rows of values.
  void drop_output(std::size_t layer, const at::Tensor& rows) const;
};

// Draws the masks for x. half: the composed form's outputs are in bfloat16, and so are its draws.
DropoutMasks draw_masks(const Dual& x, std::int64_t num_heads, std::size_t num_layers, double p,
                        bool half, at::Generator& generator);

}  // namespace roboimi::attnres
