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

const at::Tensor& LatentSpace::matrix_for(const at::Tensor& x) const {
  const bool fits = matrix_.defined() && matrix_.size(0) == x.size(1) &&
                    matrix_.scalar_type() == x.scalar_type() && matrix_.device() == x.device();
  if (!fits) matrix_ = dct_matrix(x.size(1), x.options());
  return matrix_;
}

at::Tensor LatentSpace::encode(const at::Tensor& actions) const {
  return latent_ == Latent::kIdentity ? actions : at::matmul(matrix_for(actions), actions);
}

at::Tensor LatentSpace::decode(const at::Tensor& latents) const {
  return latent_ == Latent::kIdentity ? latents : at::matmul(matrix_for(latents).t(), latents);
}

}  // namespace roboimi::imf_head
