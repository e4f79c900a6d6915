// A complete agent that trains in milliseconds: a small network from the state to the actions.
#pragma once

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/agent.h"
#include "tests/acting_agent.h"

namespace roboimi::testing {

inline ObservationSpec tiny_spec() {
  ObservationSpec spec;
  spec.set(vector_stream(kState, 3));
  spec.action_dim = 2;
  return spec;
}

class TinyAgent : public ActingAgent {
 public:
  explicit TinyAgent(ObservationSpec spec, double noise = 0.1, std::int64_t hidden = 8)
      : ActingAgent(std::move(spec), {.obs = 1, .pred = 4, .num_action = 2}), noise_(noise) {
    first_ = register_module("first", torch::nn::Linear(spec_.state_dim(), hidden));
    norm_ = register_module("norm", torch::nn::BatchNorm1d(hidden));
    second_ =
        register_module("second", torch::nn::Linear(hidden, spec_.action_dim * horizons_.pred));
    frozen_ = register_module("frozen", torch::nn::Linear(2, 2));
    for (at::Tensor& parameter : frozen_->parameters()) parameter.set_requires_grad(false);
    normalizer_ = register_module(
        "normalizer",
        std::make_shared<Normalizer>("state", spec_.state_dim(), Normalization::kMeanStd));
  }

  void set_statistics(const DatasetStatistics& statistics) override {
    normalizer_->fit(statistics.state);
  }
  bool has_statistics() const override { return normalizer_->fitted(); }

  LossReport loss(const Batch& batch, at::Generator& generator) override {
    if (fail_at_ >= 0 && calls_++ == fail_at_) {
      // Like a diverged model: NaN, without an exception.
      return {.loss = second_->weight.sum() * std::numeric_limits<float>::quiet_NaN()};
    }
    const at::Tensor state = normalizer_->normalize(batch.observations.state().select(1, 0));
    const at::Tensor noisy = state + noise_ * at::randn(state.sizes(), generator);
    const at::Tensor loss = (predict(noisy) - batch.actions).square().mean();
    return {.loss = loss, .metrics = {{"twice", 2 * loss.detach()}}};
  }

  at::Tensor act(const Observation& observation) override {
    return predict(normalizer_->normalize(observation.state().unsqueeze(0)))[0][0];
  }

  void return_nan_at_call(std::int64_t call) { fail_at_ = call; }
  void set_noise(double noise) { noise_ = noise; }
  // Normalizes with the running statistics, without updating them.
  void forget_batch_statistics() { batch_statistics_ = false; }
  at::ScalarType last_output_dtype() const { return output_dtype_; }

 private:
  at::Tensor predict(const at::Tensor& state) {
    if (!batch_statistics_) norm_->eval();
    const at::Tensor output = first_->forward(state);
    output_dtype_ = output.scalar_type();
    const at::Tensor hidden = torch::tanh(norm_->forward(output));
    return second_->forward(hidden).view({state.size(0), horizons_.pred, spec_.action_dim});
  }

  double noise_;
  torch::nn::Linear first_{nullptr}, second_{nullptr}, frozen_{nullptr};
  torch::nn::BatchNorm1d norm_{nullptr};
  std::shared_ptr<Normalizer> normalizer_;
  std::int64_t fail_at_ = -1, calls_ = 0;
  bool batch_statistics_ = true;
  at::ScalarType output_dtype_ = at::kFloat;
};

inline std::shared_ptr<TinyAgent> make_tiny_agent(std::uint64_t seed = 0) {
  const SeededConstruction guard(seed);
  auto agent = std::make_shared<TinyAgent>(tiny_spec());
  at::Generator generator = make_generator(99);
  const Statistics statistics = Statistics::of(at::randn({50, 3}, generator));
  agent->set_statistics(
      {.state = statistics, .action = Statistics::of(at::randn({50, 2}, generator))});
  return agent;
}

// Windows that depend only on (seed, step), like those of the window sampler.
inline Batch tiny_batch(std::uint64_t seed, std::int64_t step) {
  at::Generator generator = make_generator(mix_seed(seed, static_cast<std::uint64_t>(step), 7));
  const at::Tensor state = at::randn({16, 1, 3}, generator);
  const at::Tensor actions =
      at::stack({state.select(2, 0).sin(), state.select(2, 1)}, 2).expand({16, 4, 2}).contiguous();
  return {.observations = {{"state", state}},
          .actions = actions,
          .is_pad = at::zeros({16, 4}, at::kBool)};
}

}  // namespace roboimi::testing
