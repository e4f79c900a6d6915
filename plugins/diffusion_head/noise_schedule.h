// DDPM's noise schedule, and the reverse steps of DDPM and DDIM as a few coefficients per step.
//
//   NoiseSchedule schedule = squared_cosine(100);
//   for (const ReverseStep& step : reverse_steps(schedule, {.num_steps = 10})) {
//     at::Tensor noise = at::randn_like(x);
//     x = advance(step, x, network(x, step.timestep), noise, /*clip=*/true);
//   }
//
// Sources: DDPM, arXiv 2006.11239; improved DDPM (squared cosine), arXiv 2102.09672; DDIM, arXiv
// 2010.02502. Conventions (spacing, clipping, the variance called fixed_small) are those of
// `diffusers`.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace roboimi::diffusion_head {

struct NoiseSchedule {
  std::vector<double> betas;           // beta_0 .. beta_{T-1}
  std::vector<double> alphas_cumprod;  // abar_t = prod_{s <= t} (1 - beta_s)
};

// beta_t = min(1 - f(t + 1) / f(t), 0.999), f(t) = cos^2((t / T + 0.008) / 1.008 * pi / 2).
NoiseSchedule squared_cosine(std::int64_t num_train_timesteps);

enum class Prediction { kEpsilon, kSample };  // meaning of the network's output
enum class Sampler { kDdpm, kDdim };          // kDdim: eta = 0, no noise

struct SamplerOptions {
  Sampler sampler = Sampler::kDdpm;
  Prediction prediction = Prediction::kEpsilon;
  std::int64_t num_steps = 100;  // 1 .. T
};

// Coefficients of one reverse step:
// x0 = x0_from_x x + x0_from_output out, optionally clipped;
// x' = from_x0 x0 + from_x x + from_output out + noise e.
struct ReverseStep {
  std::int64_t timestep = 0;
  double x0_from_x = 0.0, x0_from_output = 0.0;
  double from_x0 = 0.0, from_x = 0.0, from_output = 0.0;
  double noise = 0.0;  // 0 in the last step, and in DDIM
};

// The reverse steps at timesteps (n - 1) k, ..., k, 0 with k = T / n rounded down.
std::vector<ReverseStep> reverse_steps(const NoiseSchedule& schedule,
                                       const SamplerOptions& options);

// Applies one step: x, output, noise [B, H, A] -> the next x. `noise` is read only if step.noise is
// not 0. `clip` clamps x0 to [-1, 1].
at::Tensor advance(const ReverseStep& step, const at::Tensor& x, const at::Tensor& output,
                   const at::Tensor& noise, bool clip);

}  // namespace roboimi::diffusion_head
