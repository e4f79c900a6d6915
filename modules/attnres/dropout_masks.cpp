#include "modules/attnres/dropout_masks.h"

#include <ATen/ATen.h>

namespace roboimi::attnres {

void DropoutMasks::drop_output(std::size_t layer, const at::Tensor& rows) const {
  if (!any()) return;
  const at::Tensor& mask = layers[layer].output;
  const std::int64_t values = mask.size(0), tangents = rows.size(0) - values;
  rows.narrow(0, 0, values).mul_(mask);
  // Tangents belong to the last samples.
  if (tangents > 0) {
    rows.narrow(0, values, tangents).mul_(mask.narrow(0, values - tangents, tangents));
  }
}

DropoutMasks draw_masks(const Dual& x, std::int64_t num_heads, std::size_t num_layers, double p,
                        bool half, at::Generator& generator) {
  // Allocate all masks of a kind together, to scale them at once. Even sublayers are attention.
  const std::int64_t batch = x.value.size(0), length = x.value.size(1), width = x.value.size(2);
  const auto layers = static_cast<std::int64_t>(num_layers);
  const auto options = x.value.options().requires_grad(false);
  const auto output_options = half ? options.dtype(at::kBFloat16) : options;
  const at::Tensor attention =
      at::empty({(layers + 1) / 2, batch, num_heads, length, length}, options);
  at::Tensor output = at::empty({layers, batch, length, width}, output_options);

  // The composed operators process the samples without tangents first, then the others.
  const std::int64_t with_tangent = x.tangent.defined() ? x.tangent.size(0) : 0;
  const auto draw_part = [&](std::int64_t begin, std::int64_t count) {
    const auto draw = [&](const at::Tensor& mask) {
      mask.narrow(0, begin, count).bernoulli_(1.0 - p, generator);
    };
    for (std::int64_t i = 0; i < layers && count > 0; ++i) {
      if (i % 2 == 0) draw(attention[i / 2]);
      draw(output[i]);
    }
  };
  draw_part(0, batch - with_tangent);
  draw_part(batch - with_tangent, with_tangent);

  // Scale what is kept, in the precision of x.
  attention.div_(1.0 - p);
  output = output.to(options.dtype()).div_(1.0 - p).flatten(1, 2);
  DropoutMasks masks;
  for (std::int64_t i = 0; i < layers; ++i) {
    masks.layers.push_back({i % 2 == 0 ? attention[i / 2] : at::Tensor(), output[i]});
  }
  return masks;
}

}  // namespace roboimi::attnres
