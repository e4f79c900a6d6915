// The action head of Diffusion Policy, with DDPM training and DDPM or DDIM sampling.
//
//   DiffusionHead head({.num_inference_steps = 10, .sampler = Sampler::kDdim}, spec);
//   head.loss(actions, cond, is_pad, generator).loss.backward();
//   actions = head.sample(cond, generator);         // [B, H, A]
//
// x_t = sqrt(abar_t) x + sqrt(1 - abar_t) e for a uniform step t; the network regresses e, or x.
// Source: Diffusion Policy, arXiv 2303.04137.
#pragma once

#include <vector>

#include "plugins/diffusion_head/denoising_head.h"
#include "plugins/diffusion_head/noise_schedule.h"
#include "roboimi/config/schema.h"

namespace roboimi::diffusion_head {

struct DiffusionOptions {
  TransformerOptions network = {};
  std::int64_t num_train_timesteps = 100;
  std::int64_t num_inference_steps = 100;
  Prediction prediction = Prediction::kEpsilon;
  Sampler sampler = Sampler::kDdpm;
  bool clip_sample = true;  // clamps x0 to [-1, 1], the range of normalized actions
};

class DiffusionHead : public DenoisingHead {
 public:
  DiffusionHead(const DiffusionOptions& options, const HeadSpec& spec);
  ~DiffusionHead() override;

  Draw draw(const at::Tensor& actions, at::Generator& generator) const override;
  bool clips_actions() const override { return options_.clip_sample; }

 protected:
  Regression regression(const at::Tensor& actions, const Draw& draw) override;
  std::vector<double> evaluation_times() const override;
  at::Tensor integrate(const at::Tensor& noise, Denoiser& denoiser,
                       const BatchGenerator& generator) override;

 private:
  DiffusionOptions options_;
  NoiseSchedule schedule_;
  std::vector<ReverseStep> steps_;
  at::Tensor signal_, deviation_;  // sqrt(abar), sqrt(1 - abar), [T], on the device of the actions
};

Schema diffusion_schema();
std::shared_ptr<Head> create_diffusion(const Options& options, const HeadSpec& spec);

}  // namespace roboimi::diffusion_head
