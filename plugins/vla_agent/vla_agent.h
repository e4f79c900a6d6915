// VlaAgent, an agent that turns visual features and robot state into action chunks.
//
//   per_step_cond_dim = (joint_output_dim ? joint_output_dim : output_dim * num_cameras) +
//   state_dim
//
// With rotations, action_dim of the head and state_dim here count six values for each.
// Data without a state has state_dim 0: the condition then consists of the visual features alone.
// A VlaActor (vla_actor.h) runs an episode.
#pragma once

#include <ATen/core/Generator.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "plugins/vla_agent/action_schedule.h"
#include "plugins/vla_agent/action_space.h"
#include "plugins/vla_agent/text_embedding.h"
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
  std::vector<Normalization> action_normalizations =
      {};                                           // one for each dimension; empty: the above
  bool relative_actions = false;                    // to the state, see action_space.h
  std::vector<std::int64_t> absolute_actions = {};  // dimensions that stay absolute
  std::vector<Rotation> action_rotations = {};      // 6d for the network, see rotation_layout.h
  std::vector<Rotation> state_rotations = {};
  // For a frozen backbone's features; features of a trained backbone are not normalized.
  Normalization feature_normalization = Normalization::kMeanStd;
  double state_noise = 0.0;  // standard deviation; added to the normalized state in training
  LanguageOptions language = {};

  ActionOptions actions() const {
    return {.are_relative = relative_actions,
            .absolute_dims = absolute_actions,
            .normalization = action_normalizations.empty()
                                 ? std::vector<Normalization>{action_normalization}
                                 : action_normalizations,
            .rotations = action_rotations};
  }
  RotationLayout action_layout(std::int64_t action_dim) const {
    return {action_rotations, action_dim, "agent.action_rotations"};
  }
  RotationLayout state_layout(std::int64_t state_dim) const {
    return {state_rotations, state_dim, "agent.state_rotations"};
  }

  // `action_dim` is that of the head.
  ExecutionOptions execution(std::int64_t action_dim) const {
    return {.horizons = horizons,
            .action_dim = action_dim,
            .latency_steps = latency_steps,
            .ensemble_decay = ensemble_decay};
  }
};

// The normalized inputs of one condition step, on the agent's device.
struct EncodedObservation {
  // Each may be undefined.
  at::Tensor features;   // [V]
  at::Tensor state;      // [S]
  at::Tensor env_state;  // [E]
  at::Tensor text;       // [D]
};

// Error if the condition has no parts, so that the policy would have no input.
void check_not_empty(const ConditionSpec& condition);

class VlaAgent : public Agent {
 public:
  // `backbone` may be nullptr. `head` must have been created for these horizons and the
  // condition_spec() of the same spec and backbone. Error if `spec` lacks a camera of the backbone
  // or the required env_state, there is neither a backbone nor a state, the horizons do not fit
  // each other, or the head clips actions that are not normalized by min_max.
  VlaAgent(const VlaAgentOptions& options, const ObservationSpec& spec,
           std::shared_ptr<Backbone> backbone, std::shared_ptr<Head> head);

  const ObservationSpec& spec() const override { return spec_; }
  const Horizons& horizons() const override { return options_.horizons; }
  Backbone* backbone() const override { return backbone_.get(); }
  // The state if the data has one, env_state if the policy uses it, and the backbone's streams.
  std::vector<std::string> stream_names() const override;

  bool uses_relative_actions() const override { return options_.relative_actions; }
  void set_statistics(const DatasetStatistics& statistics) override;
  bool has_statistics() const override;
  // Error if a quaternion has length 0.
  void check_rows(const std::string& stream, const at::Tensor& rows) const override;
  LossReport loss(const Batch& batch, at::Generator& generator) override;
  bool decays(const std::string& name, const at::Tensor& parameter) const override;

  std::unique_ptr<Actor> make_actor(const ActorOptions& options) override;
  // On a GPU, encodes the observations of all actors in batches.
  std::vector<PlanRequest> request_plans(const std::vector<Actor*>& actors) override;
  at::Tensor sample_plans(const std::vector<PlanRequest>& requests) override;

  // For its actors, from any thread. Backbone and head compute for one actor at a time.
  const VlaAgentOptions& options() const { return options_; }
  const Head& head() const { return *head_; }
  at::Device device() const { return any_buffer_.device(); }
  // Those of `state`, `env_state` and the text stream that the policy uses.
  std::vector<std::string> input_names() const;
  // How chunks of the head are executed.
  ExecutionOptions execution() const { return options_.execution(actions_->head_dim()); }
  // Error unless the statistics have been set, with the rotations of the options.
  void require_statistics();
  // Error if the observation lacks a stream in input_names(), or the state has a quaternion of
  // length 0.
  void check(const Observation& observation) const;
  // If `with_images` is false, the features stay undefined. Images are encoded in batches of at
  // most `largest_batch`.
  std::vector<EncodedObservation> encode(const std::vector<const Observation*>& observations,
                                         bool with_images, std::int64_t largest_batch);
  // The batch that encode() is called with: 64 on a GPU, which is fast only with batches, so that
  // long horizons of many actors fit into memory. 1 on a CPU, where a feature then does not depend
  // on the others of its batch: normalization may enlarge its rounding.
  std::int64_t largest_batch() const { return device().is_cpu() ? 1 : 64; }
  // The condition from one observation per condition step: steps [T, C].
  Condition condition_of(const std::vector<EncodedObservation>& steps) const;
  // The state of which relative actions are differences, on the agent's device; undefined if they
  // are absolute.
  at::Tensor reference_of(const Observation& observation) const;
  // Commands [N, A] as the head sees them, on the agent's device.
  at::Tensor normalize_actions(const at::Tensor& commands, const at::Tensor& reference) const;
  // A chunk of the head, unnormalized and absolute, on the CPU. Rotations are still 6d; see
  // ActionSpace::unnormalize().
  at::Tensor unnormalize(const at::Tensor& chunk, const at::Tensor& reference) const;
  // Rows of such a chunk as commands [..., A], on the CPU. `near` is near_data().
  at::Tensor commands_of(const at::Tensor& rows, const at::Tensor& near) const {
    return actions_->commands_of(rows, near);
  }
  // See ActionSpace::near_data().
  at::Tensor near_data() const { return actions_->near_data(); }

 private:
  at::Tensor normalized_state(const at::Tensor& state) const;
  at::Tensor features_of(const Batch& batch, at::Generator& generator);
  at::Tensor encode_images(std::span<const Observation* const> observations);
  at::Tensor tokens_of(const at::Tensor& features) const;
  at::Tensor sample(const Condition& condition, const BatchGenerator& noise,
                    const at::Tensor& prefix);

  VlaAgentOptions options_;
  ObservationSpec spec_;
  ConditionSpec condition_;
  std::shared_ptr<Backbone> backbone_;
  std::shared_ptr<Head> head_;
  RotationLayout state_layout_;
  std::optional<ActionSpace> actions_;
  std::shared_ptr<TextEmbedding> text_;  // nullptr if the condition has no text
  // nullptr if the condition does not contain the input.
  std::shared_ptr<Normalizer> state_normalizer_, env_state_normalizer_, feature_normalizer_;
  at::Tensor any_buffer_;  // is on the agent's device; a head may have no weights
  std::atomic<bool> statistics_known_ = false;
  std::mutex models_;  // held while backbone or head computes for an actor
};

Schema schema();
std::shared_ptr<Agent> create(const Options& options, const ObservationSpec& spec,
                              Registry& registry);

}  // namespace roboimi::vla_agent
