#include "plugins/diffusion_head/denoising_head.h"

#include <ATen/ATen.h>

namespace roboimi::diffusion_head {

DenoisingHead::DenoisingHead(const TransformerOptions& options, const HeadSpec& spec)
    : options_(options), spec_(spec) {
  model_ = register_module("model", Transformer(options, spec));
}

DenoisingHead::~DenoisingHead() = default;

// Position embeddings have three dimensions, so this excludes them.
bool DenoisingHead::decays(const std::string&, const at::Tensor& parameter) const {
  return parameter.dim() == 2;
}

LossReport DenoisingHead::objective(const at::Tensor& actions, const at::Tensor& cond,
                                    const at::Tensor& is_pad, const Draw& draw,
                                    at::Generator* generator) {
  const Regression wanted = regression(actions, draw);
  const at::Tensor output = model_(wanted.input, wanted.times, cond, generator);
  const at::Tensor valid = is_pad.logical_not().to(output.scalar_type()).unsqueeze(-1);
  const at::Tensor count = valid.sum() * output.size(2);
  // The loss of a batch that is all padding is 0.
  return {.loss = ((output - wanted.target) * valid).square().sum() / count.clamp_min(1.0)};
}

LossReport DenoisingHead::loss(const at::Tensor& actions, const Condition& condition,
                               const at::Tensor& is_pad, at::Generator& generator) {
  check_loss_arguments(actions, condition, is_pad);
  const Draw random = draw(actions, generator);
  const bool drops = is_training() && (options_.p_drop_emb > 0.0 || options_.p_drop_attn > 0.0);
  return objective(actions, condition.steps, is_pad, random, drops ? &generator : nullptr);
}

Denoiser& DenoisingHead::fresh_denoiser() {
  if (!denoiser_ || denoiser_->stale()) denoiser_.emplace(model_, evaluation_times());
  return *denoiser_;
}

at::Tensor DenoisingHead::denoise(const at::Tensor& noise, const at::Tensor& cond,
                                  const BatchGenerator& generator) {
  at::NoGradGuard no_grad;
  Denoiser& denoiser = fresh_denoiser();
  denoiser.observe(cond);
  return integrate(noise, denoiser, generator);
}

at::Tensor DenoisingHead::sample(const Condition& condition, const BatchGenerator& noise,
                                 const at::Tensor& prefix) {
  check_sample_arguments(condition, prefix);
  const at::Tensor& cond = condition.steps;
  const at::Tensor start =
      noise.randn({cond.size(0), spec_.pred_horizon, spec_.action_dim}, cond.options());
  return denoise(start, cond, noise);
}

}  // namespace roboimi::diffusion_head
