// Config options of VlaAgent, and the creation of its backbone and head.
#include <fmt/format.h>

#include <optional>
#include <string>
#include <vector>

#include "plugins/vla_agent/vla_agent.h"
#include "roboimi/config/declare.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/plugin/registry.h"

namespace roboimi::vla_agent {
namespace {

// The agent's own options, and the configs of its parts.
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
      .integer("num_action_steps", o.horizons.num_action,
               "actions executed per chunk before the next one takes over")
      .at_least(1)
      .with_unit("steps");
  fields
      .integer("latency_steps", o.latency_steps,
               "delay from a chunk's last observation to its first executed action; if above 0, "
               "the chunk is computed while the previous one is executed")
      .at_least(0)
      .with_unit("steps");
  fields
      .number("ensemble_decay", o.ensemble_decay,
              "average all chunks that cover a step, with weights exp(-decay i), i = 0 the oldest "
              "(ACT: 0.01 with num_action_steps 1); default: only the newest chunk")
      .at_least(0.0);
  fields.choice(
      "alignment", o.horizons.alignment,
      {{Alignment::kFirstObservation, "diffusion"}, {Alignment::kPresentObservation, "act"}},
      "row of a chunk's first action: that of the first observation (`diffusion`), or of the "
      "current one (`act`, requires obs_horizon 1)");
}

void declare_rotations(OptionFields& fields, const std::string& key,
                       std::vector<Rotation>& rotations, const std::string& meaning) {
  std::vector<std::string> texts;
  fields.texts(key, texts, meaning);
  fields.when_read([&](const Options& options) {
    for (const std::string& text : texts) {
      const std::optional<Rotation> rotation = rotation_from(text);
      if (!rotation) {
        options.fail(key, fmt::format("'{}' is not a rotation", text),
                     "DIMENSION:KIND, where KIND is quaternion_wxyz, quaternion_xyzw, "
                     "rotation_vector or roll_pitch_yaw");
      }
      rotations.push_back(*rotation);
    }
  });
}

void declare_actions(OptionFields& fields, VlaAgentOptions& o) {
  fields.choice(
      "actions", o.relative_actions, {{false, "absolute"}, {true, "relative"}},
      "what the head predicts: commands, or their differences to the state of the chunk's "
      "last observation, which must have the elements of the actions");
  fields.integers("absolute_actions", o.absolute_actions,
                  "with actions: relative, the dimensions that stay absolute, such as grippers");
  declare_rotations(fields, "action_rotations", o.action_rotations,
                    "rotations in the actions, which the head predicts as 6d: first dimension and "
                    "kind, such as `3:quaternion_xyzw`, `quaternion_wxyz`, `rotation_vector` or "
                    "`roll_pitch_yaw` (radians, fixed axes x, y, z)");
  declare_rotations(fields, "state_rotations", o.state_rotations,
                    "rotations in the state, likewise; with actions: relative, each rotation of "
                    "the actions needs one at the same dimension");
  std::vector<std::string> kinds;
  fields.texts("action_normalizations", kinds,
               "normalization of each action dimension, instead of action_normalization");
  fields.when_read([&](const Options& options) {
    for (const std::string& kind : kinds) {
      if (kind == "whiten") {
        options.fail("action_normalizations", "actions cannot be whitened",
                     "min_max, mean_std, quantile or identity");
      }
      o.action_normalizations.push_back(normalization_from(kind));
    }
  });
}

void declare_language(OptionFields& fields, LanguageOptions& o) {
  fields.choice("language", o.kind,
                {{Language::kNone, "none"},
                 {Language::kTaskEmbedding, "task_embedding"},
                 {Language::kTorchScript, "torchscript"}},
                "how the policy reads a text stream; `task_embedding`: a learned vector for each "
                "string of the training data; `torchscript`: the vector of text_encoder");
  fields.text("text_stream", o.stream, "the text stream that the policy reads");
  fields.integer("language_dim", o.dim, "size of the vector of a string").range(1, 65536);
  fields.integer("max_texts", o.max_texts, "largest number of different strings in the data")
      .range(1, 65536);
  fields.optional_path("text_encoder", o.encoder,
                       "TorchScript file whose forward() takes a list of strings and returns float "
                       "[N, language_dim]");
  fields.when_read([&](const Options& options) {
    if (o.kind != Language::kTorchScript || !o.encoder.empty()) return;
    options.fail("text_encoder", "language: torchscript needs an encoder", "a TorchScript file");
  });
}

void declare_normalization(OptionFields& fields, VlaAgentOptions& o) {
  using enum Normalization;
  const Choices<Normalization> kinds = named({kMinMax, kMeanStd, kQuantile, kIdentity});
  fields.choice("state_normalization", o.state_normalization, kinds,
                "normalization of the robot state and env_state");
  fields.choice("action_normalization", o.action_normalization, kinds,
                "normalization of the actions; `quantile` maps the 1st to 99th percentile to "
                "[-1, 1], so that outliers do not set the scale");
  fields.choice("feature_normalization", o.feature_normalization,
                named({kMinMax, kMeanStd, kWhiten, kIdentity}),
                "normalization of a frozen backbone's features; `whiten` is PCA whitening, which "
                "also scales up directions with little variance");
}

void declare(OptionFields& fields, ConfiguredAgent& o) {
  declare_horizons(fields, o.own);
  declare_normalization(fields, o.own);
  declare_actions(fields, o.own);
  declare_language(fields, o.own.language);
  fields
      .number("state_noise", o.own.state_noise,
              "standard deviation of the noise added to the normalized state in training, so that "
              "the policy relies on the images more than on the robot's pose")
      .at_least(0.0);
  fields.boolean("use_env_state", o.own.use_env_state,
                 "add the simulator's privileged state to the policy's input");
  fields.component("backbone", o.backbone, ComponentKind::kBackbone,
                   "visual encoder; null: state only");
  fields.component("head", o.head, ComponentKind::kHead, "action head");
}

// If the config sets `agent.head.cond_dim`, it must equal the sum of the condition's parts.
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
    options.fail("obs_horizon", "the act alignment uses one observation", "1");
  }

  // The backbone determines the size of the head's condition.
  std::shared_ptr<Backbone> backbone;
  if (agent.backbone) {
    backbone = registry.create<Backbone>(*agent.backbone, "agent.backbone", spec);
  }
  ConditionSpec condition =
      condition_spec(backbone.get(), own.state_layout(spec.state_dim()).dim_6d(),
                     own.use_env_state ? spec.env_state_dim() : 0);
  condition.text_dim = own.language.condition_dim();
  check_not_empty(condition);
  check_stated_cond_dim(agent.head, condition, registry);
  const std::int64_t action_dim = own.action_layout(spec.action_dim).dim_6d();
  auto head = registry.create<Head>(agent.head, "agent.head",
                                    HeadSpec{.action_dim = action_dim,
                                             .pred_horizon = own.horizons.pred,
                                             .obs_horizon = own.horizons.obs,
                                             .per_step_cond_dim = condition.per_step_cond_dim(),
                                             .token_dim = backbone ? backbone->output_dim() : 0});
  return std::make_shared<VlaAgent>(own, spec, std::move(backbone), std::move(head));
}

}  // namespace roboimi::vla_agent
