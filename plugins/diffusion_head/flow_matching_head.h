// A flow-matching action head over Diffusion Policy's transformer: a simpler version of the iMF
// head.
//
//   FlowMatchingHead head({.num_inference_steps = 10}, spec);
//   head.loss(actions, cond, is_pad, generator).loss.backward();
//   actions = head.sample(cond, generator);         // [B, H, A]
//
// With noise at t = 1, z = (1 - t) x + t e; the network regresses the velocity e - x. Sampling is
// Euler's method on the grid 1 = t_N > ... > t_0 = 0: z <- z - v(z, t) / N, from e.
// Source: flow matching, arXiv 2210.02747.
#pragma once

#include <vector>

#include "plugins/diffusion_head/denoising_head.h"
#include "roboimi/config/schema.h"

namespace roboimi::diffusion_head {

enum class TimeDistribution {
  kLogitNormal,  // sigmoid of N(-0.4, 1), as in the iMF head
  kUniform,
};

struct FlowMatchingOptions {
  TransformerOptions network = {};
  std::int64_t num_inference_steps = 10;
  TimeDistribution time_distribution = TimeDistribution::kLogitNormal;
  double time_scale = 100.0;  // the network's time input is time_scale * t
};

class FlowMatchingHead : public DenoisingHead {
 public:
  FlowMatchingHead(const FlowMatchingOptions& options, const HeadSpec& spec);
  ~FlowMatchingHead() override;

  Draw draw(const at::Tensor& actions, at::Generator& generator) const override;

 protected:
  Regression regression(const at::Tensor& actions, const Draw& draw) override;
  std::vector<double> evaluation_times() const override;
  at::Tensor integrate(const at::Tensor& noise, Denoiser& denoiser,
                       const BatchGenerator& generator) override;

 private:
  FlowMatchingOptions options_;
};

Schema flow_matching_schema();
std::shared_ptr<Head> create_flow_matching(const Options& options, const HeadSpec& spec);

}  // namespace roboimi::diffusion_head
