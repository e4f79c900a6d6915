// The options of VlaAgent, as a config has them, and how its parts are made.
#include <optional>

#include "plugins/vla_agent/vla_agent.h"
#include "roboimi/config/declare.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/plugin/registry.h"

namespace roboimi::vla_agent {
namespace {

// The agent's own options, and its parts as the config has them.
struct ConfiguredAgent {
  VlaAgentOptions own = {.horizons = {.obs = 2, .pred = 16, .num_action = 8}};
  std::optional<ConfigNode> backbone;
  ConfigNode head;
};

void declare_horizons(OptionFields& fields, VlaAgentOptions& o) {
  fields.integer("obs_horizon", o.horizons.obs, "observations that condition a chunk")
      .range(1, 1024)
      .with_unit("steps");
  fields.integer("pred_horizon", o.horizons.pred, "actions in a chunk")
      .range(1, 4096)
      .with_unit("steps");
  fields
      .integer("num_action_steps", o.horizons.num_action, "actions executed before the next chunk")
      .at_least(1)
      .with_unit("steps");
  fields
      .integer("latency_steps", o.latency_steps,
               "from the observation that a chunk is made for to its first action; above 0 it is "
               "computed while the last chunk plays")
      .at_least(0)
      .with_unit("steps");
  fields
      .number("ensemble_decay", o.ensemble_decay,
              "average every chunk that covers a step, weights exp(-decay i), i = 0 the oldest "
              "(ACT: 0.01, with num_action_steps 1); none: the newest chunk alone")
      .at_least(0.0);
  fields.choice(
      "alignment", o.horizons.alignment,
      {{Alignment::kFirstObservation, "diffusion"}, {Alignment::kPresentObservation, "act"}},
      "row of a chunk's first action: `diffusion` that of the first observation, `act` "
      "that of the present one (obs_horizon 1)");
}

void declare_normalization(OptionFields& fields, VlaAgentOptions& o) {
  using enum Normalization;
  const Choices<Normalization> kinds = named({kMinMax, kMeanStd, kIdentity});
  fields.choice("state_normalization", o.state_normalization, kinds,
                "of the robot state, and of env_state");
  fields.choice("action_normalization", o.action_normalization, kinds, "of the actions");
  fields.choice("feature_normalization", o.feature_normalization,
                named({kMinMax, kMeanStd, kWhiten, kIdentity}),
                "of a frozen backbone's features; `whiten`: along their principal axes, so that "
                "those in which they hardly vary count too");
}

void declare(OptionFields& fields, ConfiguredAgent& o) {
  declare_horizons(fields, o.own);
  declare_normalization(fields, o.own);
  fields
      .number("state_noise", o.own.state_noise,
              "standard deviation of the noise that training adds to the normalised state, so "
              "that the policy looks rather than infers from where the robot is")
      .at_least(0.0);
  fields.boolean("use_env_state", o.own.use_env_state,
                 "show the simulator's privileged state to the policy");
  fields.component("backbone", o.backbone, ComponentKind::kBackbone,
                   "visual encoder; none: state only");
  fields.component("head", o.head, ComponentKind::kHead, "action head");
}

// `agent.head.cond_dim`, where the config states it, must equal the sum of the condition's parts.
void check_stated_cond_dim(const ConfigNode& head, const ConditionSpec& condition,
                           Registry& registry) {
  const Options options = registry.options_of(ComponentKind::kHead, head, "agent.head");
  const ConfigNode* stated = head.find("cond_dim");
  if (stated == nullptr || stated->is_null() || !options.has("cond_dim")) return;
  check_cond_dim(options, condition.per_step_cond_dim(), condition.sum_text());
}

}  // namespace

Schema schema() { return schema_of<ConfiguredAgent>(); }

std::shared_ptr<Agent> create(const Options& options, const ObservationSpec& spec,
                              Registry& registry) {
  const ConfiguredAgent agent = options_from<ConfiguredAgent>(options);
  const VlaAgentOptions& own = agent.own;
  check_execution(own.execution(spec.action_dim));
  if (own.horizons.alignment == Alignment::kPresentObservation && own.horizons.obs != 1) {
    options.fail("obs_horizon", "the act alignment takes one observation", "1");
  }
  std::shared_ptr<Backbone> backbone;
  if (agent.backbone) {
    backbone = registry.create<Backbone>(*agent.backbone, "agent.backbone", spec);
  }
  const ConditionSpec condition = condition_spec(backbone.get(), spec.state_dim(),
                                                 own.use_env_state ? spec.env_state_dim() : 0);
  check_stated_cond_dim(agent.head, condition, registry);
  auto head = registry.create<Head>(agent.head, "agent.head",
                                    HeadSpec{.action_dim = spec.action_dim,
                                             .pred_horizon = own.horizons.pred,
                                             .obs_horizon = own.horizons.obs,
                                             .per_step_cond_dim = condition.per_step_cond_dim(),
                                             .token_dim = backbone ? backbone->output_dim() : 0});
  return std::make_shared<VlaAgent>(own, spec, std::move(backbone), std::move(head));
}

}  // namespace roboimi::vla_agent
