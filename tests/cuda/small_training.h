// Test helpers for short training runs on a CUDA device: agents from plugins, a small agent,
// batches.
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>

#include "roboimi/common/random.h"
#include "roboimi/config/node.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/train/trainer.h"
#include "tests/unit/train/recorder.h"

namespace roboimi::testing {

inline const c10::Device kCuda(c10::kCUDA, 0);

inline ObservationSpec small_spec(bool with_camera) {
  ObservationSpec spec{.streams = {vector_stream(kState, 5)}, .action_dim = 3};
  if (with_camera) spec.set(rgb_stream("front", {56, 84}));
  return spec;
}

inline DatasetStatistics small_statistics() {
  at::Generator generator = make_generator(99);
  return {.state = Statistics::of(at::randn({50, 5}, generator)),
          .action = Statistics::of(at::randn({50, 3}, generator))};
}

// An agent from the plugins, on the device.
inline std::shared_ptr<Agent> make_plugin_agent(const std::string& yaml, bool with_camera) {
  Registry& registry = Registry::instance();
  registry.load_search_path(plugin_search_path({ROBOIMI_BINARY_DIR "/lib/roboimi/plugins"}));
  auto agent = registry.create_agent(parse_yaml(yaml, "cuda_test"), "agent",
                                     small_spec(with_camera), /*seed=*/3);
  agent->set_statistics(small_statistics());
  agent->to(kCuda);
  return agent;
}

// A network of two layers on a noisy state. With `reads`, its loss() reads a value from the device,
// which a CUDA graph does not allow.
class SmallAgent : public Agent {
 public:
  explicit SmallAgent(bool reads) : reads_(reads) {
    const SeededConstruction guard(5);
    first_ = register_module("first", torch::nn::Linear(5, 16));
    norm_ = register_module("norm", torch::nn::BatchNorm1d(16));
    second_ = register_module("second", torch::nn::Linear(16, 12));
    to(kCuda);
  }
  const ObservationSpec& spec() const override { return spec_; }
  const Horizons& horizons() const override { return horizons_; }
  Backbone* backbone() const override { return nullptr; }
  void set_statistics(const DatasetStatistics&) override {}
  bool has_statistics() const override { return true; }
  LossReport loss(const Batch& batch, at::Generator& generator) override {
    const at::Tensor state = batch.observations.state().select(1, 0);
    const at::Tensor noisy = state + 0.1 * at::randn(state.sizes(), generator, state.options());
    const at::Tensor hidden = norm_->forward(first_->forward(noisy)).tanh();
    const at::Tensor output = second_->forward(hidden).view({-1, 4, 3});
    const at::Tensor loss = (output - batch.actions).square().mean();
    if (reads_ && loss.item<double>() < 0.0) return {};
    return {.loss = loss, .metrics = {{"twice", 2 * loss.detach()}}};
  }

 private:
  bool reads_;
  ObservationSpec spec_ = small_spec(false);
  Horizons horizons_{.obs = 1, .pred = 4, .num_action = 2};
  torch::nn::Linear first_{nullptr}, second_{nullptr};
  torch::nn::BatchNorm1d norm_{nullptr};
};

// The n-th batch for an agent, which depends only on n, on the device.
inline Batch small_batch(const Agent& agent, std::int64_t n, std::int64_t size = 8) {
  const ObservationSpec& spec = agent.spec();
  const Horizons& horizons = agent.horizons();
  at::Generator generator = make_generator(mix_seed(7, static_cast<std::uint64_t>(n)));
  Batch batch{
      .observations = {{kState,
                        at::randn({size, horizons.obs, spec.state_dim()}, generator).to(kCuda)}},
      .actions = at::randn({size, horizons.pred, spec.action_dim}, generator).tanh().to(kCuda),
      .is_pad = at::zeros({size, horizons.pred}, at::kBool).to(kCuda)};
  for (const std::string& camera : spec.camera_names()) {
    const ImageSize image = spec.image_size(camera);
    batch.observations[camera] =
        at::randint(0, 256, {size, horizons.obs, image.height, image.width, 3}, generator,
                    at::TensorOptions(at::kByte))
            .to(kCuda);
  }
  return batch;
}

}  // namespace roboimi::testing
