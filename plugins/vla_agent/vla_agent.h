// VlaAgent: visual features and state in, action chunks out.
//
//   per_step_cond_dim = (joint_output_dim ? joint_output_dim : output_dim * num_cameras) +
//   state_dim
//
// Acting is receding-horizon: the last obs_horizon observations condition one chunk of pred_horizon
// actions, num_action_steps of which are executed before the next. The observation queue holds
// visual features, not frames: a frame is encoded once.
#pragma once

#include <ATen/core/Generator.h>

#include <deque>
#include <memory>

#include "roboimi/model/agent.h"
#include "roboimi/model/condition.h"

namespace roboimi {
class Registry;
}

namespace roboimi::vla_agent {

struct VlaAgentOptions {
  Horizons horizons;
  bool use_env_state = false;
  Normalization state_normalization = Normalization::kMinMax;
  Normalization action_normalization = Normalization::kMinMax;
  // Of a frozen backbone's features; features that train are never rescaled.
  Normalization feature_normalization = Normalization::kMeanStd;
};

class VlaAgent : public Agent {
 public:
  // `backbone` may be nullptr. `head` was built for head_spec() of the same options, spec and
  // backbone. Error: a camera of the backbone that `spec` lacks, horizons that do not fit, no
  // env_state to show, actions by mean and deviation for a head that clips them.
  VlaAgent(const VlaAgentOptions& options, const ObservationSpec& spec,
           std::shared_ptr<Backbone> backbone, std::shared_ptr<Head> head);

  const ObservationSpec& spec() const override { return spec_; }
  const Horizons& horizons() const override { return options_.horizons; }
  Backbone* backbone() const override { return backbone_.get(); }

  void set_statistics(const DatasetStatistics& statistics) override;
  bool has_statistics() const override;
  LossReport loss(const Batch& batch, at::Generator& generator) override;
  bool decays(const std::string& name, const at::Tensor& parameter) const override;

  void reset(std::uint64_t seed) override;
  bool needs_images() const override;
  at::Tensor act(const Observation& observation) override;
  Timing last_timing() const override { return timing_; }

 private:
  // One observation, normalised, on the model's device. `features` is undefined where no image was
  // needed.
  struct Step {
    at::Tensor features;   // [V]
    at::Tensor state;      // [S]
    at::Tensor env_state;  // [E], or undefined
  };

  void require_statistics();
  at::Device device() const;
  at::Tensor features_of(const Batch& batch, at::Generator& generator);
  Step observe(const Observation& observation);
  at::Tensor condition_of_queue() const;  // [1, T, C]
  void plan();                            // fills the action queue

  VlaAgentOptions options_;
  ObservationSpec spec_;
  ConditionSpec condition_;
  std::shared_ptr<Backbone> backbone_;
  std::shared_ptr<Head> head_;
  std::shared_ptr<Normalizer> state_normalizer_, action_normalizer_, env_state_normalizer_,
      feature_normalizer_;
  bool statistics_known_ = false;

  std::deque<Step> observations_;
  std::deque<at::Tensor> actions_;  // un-normalised, float [A] on the CPU
  std::uint64_t seed_ = 0;
  std::uint64_t num_plans_ = 0;
  Timing timing_;
};

Schema schema();
std::shared_ptr<Agent> create(const Options& options, const ObservationSpec& spec,
                              Registry& registry);

// Error unless num_action_steps of a chunk lie at or after the present.
void check_horizons(const Horizons& horizons);

}  // namespace roboimi::vla_agent
