// VlaAgent: visual features and state in, action chunks out.
//
//   per_step_cond_dim = (joint_output_dim ? joint_output_dim : output_dim * num_cameras) +
//   state_dim
//
// Acting is receding-horizon: the last obs_horizon observations condition one chunk of pred_horizon
// actions, num_action_steps of which are executed before the next (see action_schedule.h). The
// observation queue holds visual features, not frames: a frame is encoded once. With latency_steps
// or a deadline, features and chunks are computed on a thread of their own while the chunk before
// plays. One plan is under way at a time: another that falls due meanwhile is owed, and starts from
// the newest observations when that one has come.
#pragma once

#include <ATen/core/Generator.h>

#include <chrono>
#include <deque>
#include <future>
#include <memory>
#include <optional>
#include <vector>

#include "plugins/vla_agent/action_schedule.h"
#include "plugins/vla_agent/worker.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/condition.h"

namespace roboimi {
class Registry;
}

namespace roboimi::vla_agent {

struct VlaAgentOptions {
  Horizons horizons;
  std::int64_t latency_steps = 0;
  std::optional<double> ensemble_decay = {};
  bool use_env_state = false;
  Normalization state_normalization = Normalization::kMinMax;
  Normalization action_normalization = Normalization::kMinMax;
  // Of a frozen backbone's features; features that train are never rescaled.
  Normalization feature_normalization = Normalization::kMeanStd;
  double state_noise = 0.0;  // standard deviation; added to the normalised state in training

  ExecutionOptions execution(std::int64_t action_dim) const {
    return {.horizons = horizons,
            .action_dim = action_dim,
            .latency_steps = latency_steps,
            .ensemble_decay = ensemble_decay};
  }
};

using Clock = std::chrono::steady_clock;

class VlaAgent : public Agent {
 public:
  // `backbone` may be nullptr. `head` was built for these horizons and the condition_spec() of the
  // same spec and backbone. Error: a camera of the backbone that `spec` lacks, horizons that do not
  // fit, no env_state to show, actions not scaled by min_max for a head that clips them.
  VlaAgent(const VlaAgentOptions& options, const ObservationSpec& spec,
           std::shared_ptr<Backbone> backbone, std::shared_ptr<Head> head);

  const ObservationSpec& spec() const override { return spec_; }
  const Horizons& horizons() const override { return options_.horizons; }
  Backbone* backbone() const override { return backbone_.get(); }

  void set_statistics(const DatasetStatistics& statistics) override;
  bool has_statistics() const override;
  LossReport loss(const Batch& batch, at::Generator& generator) override;
  bool decays(const std::string& name, const at::Tensor& parameter) const override;

  // Waits for what is computed for the episode before.
  void reset(std::uint64_t seed) override;
  bool needs_images() const override;
  std::int64_t latency_steps() const override { return options_.latency_steps; }
  void set_deadline(std::optional<std::chrono::nanoseconds> deadline) override;
  void wait_until_idle() override;
  at::Tensor act(const Observation& observation) override;
  Timing last_timing() const override { return timing_; }

 private:
  struct Plan {
    at::Tensor commands;  // [H, A], un-normalised, on the CPU
    double milliseconds = 0.0;
  };
  // One observation: raw until it is encoded, then normalised and on the model's device. Where
  // chunks are computed aside, the worker alone touches it once it is queued.
  struct Step {
    Observation raw;
    bool with_images = false;  // otherwise no plan looks at them, and `features` stays undefined
    bool is_encoded = false;
    at::Tensor features;   // [V]
    at::Tensor state;      // [S]
    at::Tensor env_state;  // [E], or undefined
  };

  void require_statistics();
  at::Device device() const;
  at::Tensor sample_chunk(const at::Tensor& condition, at::Generator& generator);
  at::Tensor features_of(const Batch& batch, at::Generator& generator);
  bool computes_aside() const;
  void check(const Observation& observation) const;
  Observation looked_at(const Observation& observation) const;
  void observe(const Observation& observation);
  void encode(Step& step);
  void encode_ahead();
  at::Tensor condition_of(const std::vector<std::shared_ptr<Step>>& steps) const;  // [1, T, C]
  bool sees_enough() const;
  void start_plan(Clock::time_point seen);
  bool plan_is_due() const;
  void receive_plan(Clock::time_point end);

  VlaAgentOptions options_;
  ObservationSpec spec_;
  ConditionSpec condition_;
  std::shared_ptr<Backbone> backbone_;
  std::shared_ptr<Head> head_;
  std::shared_ptr<Normalizer> state_normalizer_, action_normalizer_, env_state_normalizer_,
      feature_normalizer_;
  at::Tensor moved_along_;  // a buffer, which knows the agent's device; a head may have no weights
  bool statistics_known_ = false;

  std::optional<std::chrono::nanoseconds> deadline_;
  std::deque<std::shared_ptr<Step>> observations_;
  ActionSchedule schedule_;
  std::uint64_t seed_ = 0;
  std::uint64_t num_plans_ = 0;
  std::int64_t step_ = 0;       // of the next act()
  std::int64_t plan_step_ = 0;  // of the plan under way
  bool plan_owed_ = false;      // one is to start as soon as none is under way
  at::Tensor last_command_;     // undefined before the first
  Timing timing_;
  std::future<Plan> plan_;      // under way, or has come and not been received
  std::future<void> encoding_;  // ahead of a plan
  Worker worker_;               // last: its destructor waits for a thread that uses the rest
};

Schema schema();
std::shared_ptr<Agent> create(const Options& options, const ObservationSpec& spec,
                              Registry& registry);

}  // namespace roboimi::vla_agent
