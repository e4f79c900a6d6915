// VlaAgent: visual features and state in, action chunks out.
//
//   per_step_cond_dim = (joint_output_dim ? joint_output_dim : output_dim * num_cameras) +
//   state_dim
//
// What acts is a VlaActor (vla_actor.h).
#pragma once

#include <ATen/core/Generator.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "plugins/vla_agent/action_schedule.h"
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

// What a condition is made of: normalized, on the agent's device.
struct EncodedObservation {
  at::Tensor features;   // [V], or undefined
  at::Tensor state;      // [S]
  at::Tensor env_state;  // [E], or undefined
};

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

  std::unique_ptr<Actor> make_actor(const ActorOptions& options) override;
  at::Tensor sample_plans(const std::vector<PlanRequest>& requests) override;

  // For its actors; from any thread. The models compute for one actor at a time.
  const VlaAgentOptions& options() const { return options_; }
  const Head& head() const { return *head_; }
  at::Device device() const { return moved_along_.device(); }
  bool sees_env_state() const { return env_state_normalizer_ != nullptr; }
  // Error unless the statistics are there.
  void require_statistics();
  // Error for an observation without what the policy sees.
  void check(const Observation& observation) const;
  // Without `with_images` the features stay undefined.
  EncodedObservation encode(const Observation& observation, bool with_images);
  // Of one observation for each condition step: steps [T, C].
  Condition condition_of(const std::vector<EncodedObservation>& steps) const;
  at::Tensor normalize_actions(const at::Tensor& actions) const;  // [N, A], on the agent's device
  at::Tensor commands_of(const at::Tensor& chunk) const;  // [H, A], unnormalized, on the CPU

 private:
  at::Tensor features_of(const Batch& batch, at::Generator& generator);
  at::Tensor tokens_of(const at::Tensor& features) const;
  at::Tensor sample(const Condition& condition, const BatchGenerator& noise,
                    const at::Tensor& prefix);

  VlaAgentOptions options_;
  ObservationSpec spec_;
  ConditionSpec condition_;
  std::shared_ptr<Backbone> backbone_;
  std::shared_ptr<Head> head_;
  std::shared_ptr<Normalizer> state_normalizer_, action_normalizer_, env_state_normalizer_,
      feature_normalizer_;
  at::Tensor moved_along_;  // a buffer, which knows the agent's device; a head may have no weights
  std::atomic<bool> statistics_known_ = false;
  std::mutex models_;  // held while backbone or head computes for an actor
};

Schema schema();
std::shared_ptr<Agent> create(const Options& options, const ObservationSpec& spec,
                              Registry& registry);

}  // namespace roboimi::vla_agent
