// The YAML side of VlaAgent: its options, and how its parts are made.
#include <fmt/format.h>

#include "plugins/vla_agent/vla_agent.h"
#include "roboimi/common/error.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/plugin/registry.h"

namespace roboimi::vla_agent {
namespace {

VlaAgentOptions read(const Options& options) {
  return {.horizons = {.obs = options.integer("obs_horizon"),
                       .pred = options.integer("pred_horizon"),
                       .num_action = options.integer("num_action_steps"),
                       .alignment = options.text("alignment") == "act" ? Alignment::kAct
                                                                       : Alignment::kDiffusion},
          .latency_steps = options.integer("latency_steps"),
          .ensemble_decay = options.has("ensemble_decay")
                                ? std::optional<double>(options.number("ensemble_decay"))
                                : std::nullopt,
          .use_env_state = options.boolean("use_env_state"),
          .state_normalization = normalization_from(options.text("state_normalization")),
          .action_normalization = normalization_from(options.text("action_normalization")),
          .feature_normalization = normalization_from(options.text("feature_normalization")),
          .state_noise = options.number("state_noise")};
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

Schema schema() {
  Schema s;
  s.integer("obs_horizon", 2, "observations that condition a chunk")
      .range(1, 1024)
      .with_unit("steps");
  s.integer("pred_horizon", 16, "actions in a chunk").range(1, 4096).with_unit("steps");
  s.integer("num_action_steps", 8, "actions executed before the next chunk")
      .at_least(1)
      .with_unit("steps");
  s.integer("latency_steps", 0,
            "from the observation that a chunk is made for to its first action; above 0 it is "
            "computed while the last chunk plays")
      .at_least(0)
      .with_unit("steps");
  s.optional_number("ensemble_decay",
                    "average every chunk that covers a step, weights exp(-decay i), i = 0 the "
                    "oldest (ACT: 0.01, with num_action_steps 1); none: the newest chunk alone")
      .at_least(0.0);
  s.text("alignment", "diffusion",
         "row of a chunk's first action: `diffusion` that of the first observation, `act` that of "
         "the "
         "present one (obs_horizon 1)")
      .one_of({"diffusion", "act"});
  using enum Normalization;
  const std::vector<std::string> kinds = {to_string(kMinMax), to_string(kMeanStd),
                                          to_string(kIdentity)};
  s.text("state_normalization", "min_max", "of the robot state, and of env_state").one_of(kinds);
  s.text("action_normalization", "min_max", "of the actions").one_of(kinds);
  s.text("feature_normalization", "mean_std",
         "of a frozen backbone's features; `whiten`: along their principal axes, so that those in "
         "which they hardly vary count too")
      .one_of({to_string(kMinMax), to_string(kMeanStd), to_string(kWhiten), to_string(kIdentity)});
  s.number("state_noise", 0.0,
           "standard deviation of the noise that training adds to the normalised state, so that "
           "the policy looks rather than infers from where the robot is")
      .at_least(0.0);
  s.boolean("use_env_state", false, "show the simulator's privileged state to the policy");
  s.optional_component("backbone", ComponentKind::kBackbone, "visual encoder; none: state only");
  s.component("head", ComponentKind::kHead, "action head");
  return s;
}

std::shared_ptr<Agent> create(const Options& options, const ObservationSpec& spec,
                              Registry& registry) {
  const VlaAgentOptions own = read(options);
  check_execution(own.execution(spec.action_dim));
  if (own.horizons.alignment == Alignment::kAct && own.horizons.obs != 1) {
    options.fail("obs_horizon", "the act alignment takes one observation", "1");
  }
  std::shared_ptr<Backbone> backbone;
  if (options.has("backbone")) {
    backbone = registry.create<Backbone>(options.component("backbone"), "agent.backbone", spec);
  }
  const ConditionSpec condition = condition_spec(backbone.get(), spec.state_dim(),
                                                 own.use_env_state ? spec.env_state_dim() : 0);
  const ConfigNode& head_node = options.component("head");
  check_stated_cond_dim(head_node, condition, registry);
  auto head = registry.create<Head>(head_node, "agent.head",
                                    HeadSpec{.action_dim = spec.action_dim,
                                             .pred_horizon = own.horizons.pred,
                                             .obs_horizon = own.horizons.obs,
                                             .per_step_cond_dim = condition.per_step_cond_dim(),
                                             .token_dim = backbone ? backbone->output_dim() : 0});
  return std::make_shared<VlaAgent>(own, spec, std::move(backbone), std::move(head));
}

}  // namespace roboimi::vla_agent
