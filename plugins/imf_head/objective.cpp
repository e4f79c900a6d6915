#include "plugins/imf_head/objective.h"

#include <ATen/ATen.h>

#include <cmath>

namespace roboimi::imf_head {
namespace {

constexpr double kTimeLocation = -0.4;
constexpr double kAdaptiveOffset = 0.01;

}  // namespace

Draw draw(const at::Tensor& like, double one_step_share, at::Generator& generator) {
  // Two logit-normal draws per sample, sorted.
  const std::int64_t batch = like.size(0), half = batch / 2;
  const std::int64_t whole = std::llround(one_step_share * static_cast<double>(batch - half));
  const at::Tensor times =
      at::sigmoid(at::randn({2, batch}, generator, like.options()) + kTimeLocation);
  const at::Tensor first = times[0];
  const at::Tensor low = at::minimum(first, times[1]), high = at::maximum(first, times[1]);

  // First half: r = t. Then the one-step samples, then the sorted draws.
  const at::Tensor equal = first.narrow(0, 0, half);
  const auto join = [&](const at::Tensor& rest, double at_whole) {
    return at::cat({equal, at::full({whole}, at_whole, like.options()),
                    rest.narrow(0, half + whole, batch - half - whole)});
  };
  return {.noise = at::randn(like.sizes(), generator, like.options()),
          .r = join(low, 0.0),
          .t = join(high, 1.0),
          .num_equal = half};
}

at::Tensor reduce_loss(LossKind kind, const at::Tensor& difference, const at::Tensor& valid) {
  const at::Tensor masked = difference * valid;
  if (kind == LossKind::kAdaptiveL2) {
    const at::Tensor sum = masked.square().sum({1, 2});
    return (sum / (sum.detach() + kAdaptiveOffset)).mean();
  }
  // Masked elements are 0, and so is their loss.
  const at::Tensor each =
      kind == LossKind::kMse ? masked.square() : at::sqrt(masked.square() + 1.0) - 1.0;
  const at::Tensor count = valid.sum() * difference.size(2);
  return each.sum() / count.clamp_min(1.0);
}

}  // namespace roboimi::imf_head
