#include "modules/lewm/sigreg.h"

#include <ATen/ATen.h>

#include "roboimi/common/error.h"
#include "roboimi/contract/autocast.h"

namespace roboimi::lewm {
namespace {

constexpr double kLastKnot = 3.0;

}  // namespace

SigReg::SigReg(const SigRegOptions& options) : options_(options) {
  ROBOIMI_CHECK(options.knots >= 2 && options.projections >= 1,
                c10::str(options.knots, " knots, ", options.projections, " projections"));
}

at::Tensor SigReg::draw(std::int64_t width, at::Generator& generator, c10::Device device) const {
  const at::Tensor directions = at::randn({width, options_.projections}, generator,
                                          at::TensorOptions(at::kFloat).device(device));
  return directions / directions.norm(2, /*dim=*/0, /*keepdim=*/true);
}

at::Tensor SigReg::statistic(const at::Tensor& embeddings, const at::Tensor& directions,
                             const SharedBatch& shared) const {
  ROBOIMI_CHECK(embeddings.dim() == 3 && embeddings.size(2) == directions.size(0),
                c10::str(embeddings.sizes(), " along ", directions.sizes()));
  const Autocast full_precision(embeddings.device(), false);
  const bool is_double = embeddings.scalar_type() == at::kDouble;
  const at::Tensor z = embeddings.to(is_double ? at::kDouble : at::kFloat);

  // The normal's characteristic function, and the weights of the integral over the knots.
  const at::Tensor t = at::linspace(0.0, kLastKnot, options_.knots, z.options());
  const at::Tensor normal = at::exp(-t.square() / 2.0);
  const double step = kLastKnot / static_cast<double>(options_.knots - 1);
  at::Tensor weights = at::full({options_.knots}, 2.0 * step, z.options());
  weights[0] = step;
  weights[-1] = step;

  // The batch's empirical characteristic function: real and imaginary parts, [T, P, K] each.
  const at::Tensor angles = at::matmul(z, directions.to(z.scalar_type())).unsqueeze(-1) * t;
  at::Tensor means = at::stack({angles.cos().mean(0), angles.sin().mean(0)});
  if (shared.processes > 1) means = shared.average(means);

  // The weighted squared difference.
  const at::Tensor error = (means[0] - normal).square() + means[1].square();
  const auto batch = static_cast<double>(z.size(0) * shared.processes);
  return at::matmul(error, weights * normal).mean() * batch;
}

}  // namespace roboimi::lewm
