#include "plugins/diffusion_head/flow_matching_head.h"

#include <ATen/ATen.h>

namespace roboimi::diffusion_head {
namespace {

constexpr double kTimeLocation = -0.4;

}  // namespace

FlowMatchingHead::FlowMatchingHead(const FlowMatchingOptions& options, const HeadSpec& spec)
    : DenoisingHead(options.network, spec), options_(options) {}

FlowMatchingHead::~FlowMatchingHead() = default;

Draw FlowMatchingHead::draw(const at::Tensor& actions, at::Generator& generator) const {
  const at::Tensor noise = at::randn(actions.sizes(), generator, actions.options());
  const std::int64_t batch = actions.size(0);
  if (options_.time_distribution == TimeDistribution::kUniform) {
    return {.noise = noise, .times = at::rand({batch}, generator, actions.options())};
  }
  const at::Tensor logit = at::randn({batch}, generator, actions.options()) + kTimeLocation;
  return {.noise = noise, .times = logit.sigmoid()};
}

Regression FlowMatchingHead::regression(const at::Tensor& actions, const Draw& draw) {
  const at::Tensor t = draw.times.view({-1, 1, 1});
  return {.input = (1.0 - t) * actions + t * draw.noise,
          .times = options_.time_scale * draw.times,
          .target = draw.noise - actions};
}

std::vector<double> FlowMatchingHead::evaluation_times() const {
  const std::int64_t count = options_.num_inference_steps;
  std::vector<double> times;
  for (std::int64_t i = count; i > 0; --i) {
    times.push_back(options_.time_scale * double(i) / double(count));
  }
  return times;
}

at::Tensor FlowMatchingHead::integrate(const at::Tensor& noise, Denoiser& denoiser,
                                       const BatchGenerator&) {
  at::Tensor z = noise.clone();
  const double step = 1.0 / double(options_.num_inference_steps);
  for (std::int64_t i = 0; i < options_.num_inference_steps; ++i) {
    z.sub_(denoiser.evaluate(z, i), step);
  }
  return z;
}

}  // namespace roboimi::diffusion_head
