#include <ATen/ATen.h>
#include <torch/nn/modules/embedding.h>
#include <torch/utils.h>

#include "components.h"
#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/normalizer.h"
#include "roboimi/plugin/registry.h"

namespace roboimi::streams {
namespace {

constexpr std::int64_t kWidth = 8;  // size of a letter's token
constexpr std::int64_t kChunk = 4;

class TextAgent : public Agent {
 public:
  TextAgent(const ObservationSpec& spec, const ConfigNode& head, Registry& registry) : spec_(spec) {
    if (spec.at("task").kind != StreamKind::kText) throw Error("task is not a text stream");
    letters_ = register_module("letters", torch::nn::Embedding(256, kWidth));
    head_ = registry.create<Head>(head, "agent.head",
                                  HeadSpec{.action_dim = spec.action_dim,
                                           .pred_horizon = kChunk,
                                           .obs_horizon = 1,
                                           .per_step_cond_dim = spec.state_dim(),
                                           .token_dim = kWidth});
    register_module("head", head_);
    state_ = register_module("state_normalizer",
                             std::make_shared<Normalizer>("state", spec.state_dim(), kKind));
    action_ = register_module("action_normalizer",
                              std::make_shared<Normalizer>("action", spec.action_dim, kKind));
  }

  const ObservationSpec& spec() const override { return spec_; }
  const Horizons& horizons() const override { return horizons_; }
  Backbone* backbone() const override { return nullptr; }
  std::vector<std::string> stream_names() const override { return {kState, "task"}; }
  void set_statistics(const DatasetStatistics& statistics) override {
    state_->fit(statistics.state);
    action_->fit(statistics.action);
  }
  bool has_statistics() const override { return state_->fitted() && action_->fitted(); }
  LossReport loss(const Batch& batch, at::Generator& generator) override {
    const Condition condition = condition_of(batch.observations);
    return head_->loss(action_->normalize(batch.actions), condition, batch.is_pad, generator);
  }
  std::unique_ptr<Actor> make_actor(const ActorOptions& options) override;

  // Builds the head's condition from observations [B, 1, ...].
  Condition condition_of(const Observation& observations) {
    if (!has_statistics()) throw Error("the agent has no statistics");
    const at::Tensor letters = observations.at("task").select(1, -1).to(at::kLong);  // [B, bytes]
    return {state_->normalize(observations.at(kState)), letters_(letters), letters.ne(0)};
  }
  // Samples a chunk and returns its first command, float [A].
  at::Tensor command_for(const Observation& observation, at::Generator& generator) {
    Observation batch;
    for (const std::string& stream : stream_names()) {
      batch[stream] = observation.at(stream).unsqueeze(0).unsqueeze(0);
    }
    return action_->unnormalize(head_->sample(condition_of(batch), generator))[0][0];
  }

 private:
  static constexpr Normalization kKind = Normalization::kMeanStd;

  ObservationSpec spec_;
  Horizons horizons_{.obs = 1, .pred = kChunk, .num_action = 1};
  std::shared_ptr<Head> head_;
  torch::nn::Embedding letters_{nullptr};
  std::shared_ptr<Normalizer> state_, action_;
};

// An actor that samples a new chunk in every step, inside act().
class TextActor final : public Actor {
 public:
  explicit TextActor(TextAgent& agent) : agent_(agent) {}
  void reset(std::uint64_t seed) override { generator_ = make_generator(seed); }
  bool needs_images() const override { return false; }
  at::Tensor act(const Observation& observation) override {
    const torch::NoGradGuard no_grad;
    return agent_.command_for(observation, generator_);
  }

 private:
  TextAgent& agent_;
  at::Generator generator_ = make_generator(0);
};

std::unique_ptr<Actor> TextAgent::make_actor(const ActorOptions& options) {
  refuse_deadline(options, "text_agent");
  return std::make_unique<TextActor>(*this);
}

}  // namespace

Schema text_agent_schema() {
  Schema schema;
  schema.component("head", ComponentKind::kHead, "a head that reads tokens");
  return schema;
}

std::shared_ptr<Agent> create_text_agent(const Options& options, const ObservationSpec& spec,
                                         Registry& registry) {
  return std::make_shared<TextAgent>(spec, options.component("head"), registry);
}

}  // namespace roboimi::streams
