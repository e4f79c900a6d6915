#include "plugins/diffusion_head/diffusion_head.h"

#include <ATen/ATen.h>

namespace roboimi::diffusion_head {

DiffusionHead::DiffusionHead(const DiffusionOptions& options, const HeadSpec& spec)
    : DenoisingHead(options.network, spec),
      options_(options),
      schedule_(squared_cosine(options.num_train_timesteps)),
      steps_(reverse_steps(schedule_, {.sampler = options.sampler,
                                       .prediction = options.prediction,
                                       .num_steps = options.num_inference_steps})) {
  const at::Tensor kept = at::tensor(schedule_.alphas_cumprod, at::kDouble);
  signal_ = kept.sqrt();
  deviation_ = (1.0 - kept).sqrt();
}

DiffusionHead::~DiffusionHead() = default;

Draw DiffusionHead::draw(const at::Tensor& actions, at::Generator& generator) const {
  return {.noise = at::randn(actions.sizes(), generator, actions.options()),
          .times = at::randint(options_.num_train_timesteps, {actions.size(0)}, generator,
                               actions.options().dtype(at::kLong))};
}

Regression DiffusionHead::regression(const at::Tensor& actions, const Draw& draw) {
  if (signal_.device() != actions.device()) {
    signal_ = signal_.to(actions.device());
    deviation_ = deviation_.to(actions.device());
  }
  const auto at_step = [&](const at::Tensor& table) {
    return table.index_select(0, draw.times).to(actions.scalar_type()).view({-1, 1, 1});
  };
  return {.input = at_step(signal_) * actions + at_step(deviation_) * draw.noise,
          .times = draw.times.to(actions.scalar_type()),
          .target = options_.prediction == Prediction::kEpsilon ? draw.noise : actions};
}

std::vector<double> DiffusionHead::evaluation_times() const {
  std::vector<double> times;
  for (const ReverseStep& step : steps_) times.push_back(double(step.timestep));
  return times;
}

at::Tensor DiffusionHead::integrate(const at::Tensor& noise, Denoiser& denoiser,
                                    const BatchGenerator& generator) {
  at::Tensor x = noise;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const ReverseStep& step = steps_[i];
    const at::Tensor output = denoiser.evaluate(x, std::int64_t(i));
    const at::Tensor fresh =
        step.noise != 0.0 ? generator.randn(x.sizes(), x.options()) : at::Tensor();
    x = advance(step, x, output, fresh, options_.clip_sample);
  }
  return x;
}

}  // namespace roboimi::diffusion_head
