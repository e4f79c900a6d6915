#include "roboimi/train/ema.h"

#include <cmath>

#include "roboimi/io/tensor_map.h"

namespace roboimi {

Ema::Ema(FlatParameters& parameters, const EmaOptions& options)
    : parameters_(parameters), options_(options) {
  for (const FlatGroup& group : parameters_.groups()) averages_.push_back(group.parameters.clone());
}

double Ema::decay(std::int64_t step) const {
  if (options_.kind == EmaOptions::Kind::kConstant) return options_.max_decay;
  const double decay = 1.0 - std::pow(1.0 + static_cast<double>(step), -0.75);
  return std::min(decay, options_.max_decay);
}

// `weight` is a scalar or a 0-d tensor; libtorch accepts both.
template <typename Weight>
void Ema::move(const Weight& weight) {
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < averages_.size(); ++i) {
    averages_[i].lerp_(parameters_.groups()[i].parameters, weight);
  }
}

void Ema::update() {
  move(next_weight());
  count_update();
}

void Ema::update_with(const at::Tensor& weight) { move(weight); }

std::map<std::string, at::Tensor> Ema::state() const {
  std::map<std::string, at::Tensor> state;
  for (std::size_t i = 0; i < averages_.size(); ++i) {
    const FlatGroup& group = parameters_.groups()[i];
    for (const FlatView& view : group.views) {
      state[view.name] = group.part_of(averages_[i], view).clone();
    }
  }
  return state;
}

void Ema::load_state(const std::map<std::string, at::Tensor>& state, std::int64_t step) {
  for (std::size_t i = 0; i < averages_.size(); ++i) {
    const FlatGroup& group = parameters_.groups()[i];
    for (const FlatView& view : group.views) {
      copy_from(state, view.name, group.part_of(averages_[i], view));
    }
  }
  step_ = step;
}

EmaWeights::EmaWeights(Ema& ema) : ema_(ema) {
  for (std::size_t i = 0; i < ema_.averages_.size(); ++i) {
    at::Tensor parameters = ema_.parameters_.groups()[i].parameters;
    saved_.push_back(parameters.clone());
    parameters.copy_(ema_.averages_[i]);
  }
}

EmaWeights::~EmaWeights() {
  for (std::size_t i = 0; i < saved_.size(); ++i) {
    at::Tensor parameters = ema_.parameters_.groups()[i].parameters;
    parameters.copy_(saved_[i]);
  }
}

}  // namespace roboimi
