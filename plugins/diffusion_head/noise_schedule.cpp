#include "plugins/diffusion_head/noise_schedule.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "roboimi/common/error.h"

namespace roboimi::diffusion_head {
namespace {

constexpr double kCosineOffset = 0.008;
constexpr double kMaxBeta = 0.999;
constexpr double kMinVariance = 1e-20;

// abar before clipping, up to a constant factor; u in [0, 1].
double squared_cosine_at(double u) {
  const double c = std::cos((u + kCosineOffset) / (1.0 + kCosineOffset) * std::numbers::pi / 2.0);
  return c * c;
}

// Mean and variance of q(x_s | x_t, x_0) for s < t, where beta covers the whole stride from s to t.
void set_ddpm(ReverseStep& step, double abar, double previous) {
  const double alpha = abar / previous, beta = 1.0 - alpha;
  step.from_x0 = std::sqrt(previous) * beta / (1.0 - abar);
  step.from_x = std::sqrt(alpha) * (1.0 - previous) / (1.0 - abar);
  if (step.timestep == 0) return;
  step.noise = std::sqrt(std::max((1.0 - previous) / (1.0 - abar) * beta, kMinVariance));
}

// x' = sqrt(previous) x0 + sqrt(1 - previous) epsilon; epsilon belongs to the x0 before clipping.
void set_ddim(ReverseStep& step, Prediction prediction, double abar, double previous) {
  const double epsilon = std::sqrt(1.0 - previous);
  step.from_x0 = std::sqrt(previous);
  if (prediction == Prediction::kEpsilon) {
    step.from_output = epsilon;
  } else {
    step.from_x = epsilon / std::sqrt(1.0 - abar);
    step.from_output = -epsilon * std::sqrt(abar / (1.0 - abar));
  }
}

}  // namespace

NoiseSchedule squared_cosine(std::int64_t num_train_timesteps) {
  NoiseSchedule schedule;
  const double count = double(num_train_timesteps);
  double product = 1.0;
  for (std::int64_t t = 0; t < num_train_timesteps; ++t) {
    const double kept = squared_cosine_at(double(t + 1) / count) / squared_cosine_at(t / count);
    schedule.betas.push_back(std::min(1.0 - kept, kMaxBeta));
    product *= 1.0 - schedule.betas.back();
    schedule.alphas_cumprod.push_back(product);
  }
  return schedule;
}

std::vector<ReverseStep> reverse_steps(const NoiseSchedule& schedule,
                                       const SamplerOptions& options) {
  const std::int64_t total = std::int64_t(schedule.betas.size()), count = options.num_steps;
  ROBOIMI_CHECK(count >= 1 && count <= total, c10::str(count, " steps of ", total));
  const std::int64_t stride = total / count;
  std::vector<ReverseStep> steps;
  for (std::int64_t i = count - 1; i >= 0; --i) {
    // x0 from x and the network's output.
    ReverseStep step{.timestep = i * stride};
    const double abar = schedule.alphas_cumprod[std::size_t(step.timestep)];
    const double previous =
        i > 0 ? schedule.alphas_cumprod[std::size_t(step.timestep - stride)] : 1.0;
    if (options.prediction == Prediction::kEpsilon) {
      step.x0_from_x = 1.0 / std::sqrt(abar);
      step.x0_from_output = -std::sqrt((1.0 - abar) / abar);
    } else {
      step.x0_from_output = 1.0;
    }

    // The next x from x0, x and the output.
    options.sampler == Sampler::kDdpm ? set_ddpm(step, abar, previous)
                                      : set_ddim(step, options.prediction, abar, previous);
    steps.push_back(step);
  }
  return steps;
}

at::Tensor advance(const ReverseStep& step, const at::Tensor& x, const at::Tensor& output,
                   const at::Tensor& noise, bool clip) {
  at::Tensor x0 = output * step.x0_from_output;
  if (step.x0_from_x != 0.0) x0.add_(x, step.x0_from_x);
  if (clip) x0.clamp_(-1.0, 1.0);
  at::Tensor next = x0.mul_(step.from_x0);
  if (step.from_x != 0.0) next.add_(x, step.from_x);
  if (step.from_output != 0.0) next.add_(output, step.from_output);
  if (step.noise != 0.0) next.add_(noise, step.noise);
  return next;
}

}  // namespace roboimi::diffusion_head
