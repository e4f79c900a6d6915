#include "roboimi/train/optimizer.h"

#include <ATen/ops/_fused_adamw.h>

#include <cmath>
#include <numbers>

#include "roboimi/common/error.h"
#include "roboimi/io/tensor_map.h"

namespace roboimi {

AdamW::AdamW(FlatParameters& parameters, const AdamWOptions& options)
    : parameters_(parameters), options_(options) {
  for (const FlatGroup& group : parameters_.groups()) {
    moments_.push_back({.exp_avg = at::zeros_like(group.parameters),
                        .exp_avg_sq = at::zeros_like(group.parameters),
                        .step = at::zeros({}, group.parameters.options().dtype(at::kFloat))});
  }
}

// `learning_rate` is a scalar or a 0-d tensor; libtorch accepts both.
template <typename Rate>
void AdamW::update(const Rate& learning_rate) {
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < moments_.size(); ++i) {
    const FlatGroup& group = parameters_.groups()[i];
    Moments& moments = moments_[i];
    // The fused kernel only reads the update's number, so the caller increments it.
    moments.step.add_(1);
    at::_fused_adamw_({group.parameters}, {group.gradients}, {moments.exp_avg},
                      {moments.exp_avg_sq}, {}, {moments.step}, learning_rate, options_.beta1,
                      options_.beta2, group.decays ? options_.weight_decay : 0.0, options_.epsilon,
                      /*amsgrad=*/false, /*maximize=*/false);
  }
}

void AdamW::step(double learning_rate) { update(learning_rate); }

void AdamW::step(const at::Tensor& learning_rate) { update(learning_rate); }

std::map<std::string, at::Tensor> AdamW::state() const {
  std::map<std::string, at::Tensor> state;
  state["step"] = moments_.front().step.clone();
  for (std::size_t i = 0; i < moments_.size(); ++i) {
    const FlatGroup& group = parameters_.groups()[i];
    for (const FlatView& view : group.views) {
      state["exp_avg." + view.name] = group.part_of(moments_[i].exp_avg, view).clone();
      state["exp_avg_sq." + view.name] = group.part_of(moments_[i].exp_avg_sq, view).clone();
    }
  }
  return state;
}

void AdamW::load_state(const std::map<std::string, at::Tensor>& state) {
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < moments_.size(); ++i) {
    const FlatGroup& group = parameters_.groups()[i];
    copy_from(state, "step", moments_[i].step);
    for (const FlatView& view : group.views) {
      copy_from(state, "exp_avg." + view.name, group.part_of(moments_[i].exp_avg, view));
      copy_from(state, "exp_avg_sq." + view.name, group.part_of(moments_[i].exp_avg_sq, view));
    }
  }
}

double LearningRateSchedule::learning_rate(std::int64_t step) const {
  if (step < warmup_steps) {
    return peak * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  }
  if (kind == Kind::kConstant || max_steps <= warmup_steps) return peak;
  const double progress =
      static_cast<double>(step - warmup_steps) / static_cast<double>(max_steps - warmup_steps);
  return peak * 0.5 * (1.0 + std::cos(std::numbers::pi * std::min(progress, 1.0)));
}

}  // namespace roboimi
