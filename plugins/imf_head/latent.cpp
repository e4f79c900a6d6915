#include "plugins/imf_head/latent.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace roboimi::imf_head {

at::Tensor dct_matrix(std::int64_t horizon, const at::TensorOptions& options) {
  const double size = double(horizon);
  const at::Tensor index = at::arange(horizon, at::kDouble);
  const at::Tensor angle = at::outer(index, index + 0.5) * (std::numbers::pi / size);
  at::Tensor matrix = angle.cos() * std::sqrt(2.0 / size);
  matrix[0].mul_(std::sqrt(0.5));
  return matrix.to(options);
}

at::Tensor encode(Latent latent, const at::Tensor& actions) {
  if (latent == Latent::kIdentity) return actions;
  return at::matmul(dct_matrix(actions.size(1), actions.options()), actions);
}

at::Tensor decode(Latent latent, const at::Tensor& latents) {
  if (latent == Latent::kIdentity) return latents;
  return at::matmul(dct_matrix(latents.size(1), latents.options()).t(), latents);
}

}  // namespace roboimi::imf_head
