#include "plugins/vla_agent/vla_agent.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/utils.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "plugins/vla_agent/vla_actor.h"
#include "roboimi/common/error.h"
#include "roboimi/contract/backbone.h"

namespace roboimi::vla_agent {
namespace {

void check_cameras(const Backbone& backbone, const ObservationSpec& spec) {
  for (const std::string& camera : backbone.camera_names()) {
    if (const StreamSpec* stream = spec.find(camera); stream && stream->is_image()) continue;
    throw Error({.what = fmt::format("the backbone needs camera '{}', which the data does not have",
                                     camera),
                 .where = "agent.backbone.camera_names",
                 .expected = fmt::format("a subset of {}", fmt::join(spec.camera_names(), ", ")),
                 .found = fmt::format("{}", fmt::join(backbone.camera_names(), ", ")),
                 .next = "add the camera to data.camera_names, or change the backbone's"});
  }
}

// Rotations are within [-1, 1] as they are.
void check_clipping(const Head& head, std::vector<Normalization> actions,
                    const RotationLayout& layout) {
  for (std::int64_t dim = 0; dim < std::ssize(actions) && std::ssize(actions) > 1; ++dim) {
    if (layout.is_rotation(dim)) actions[static_cast<std::size_t>(dim)] = Normalization::kMinMax;
  }
  const auto other = std::ranges::find_if(
      actions, [](Normalization kind) { return kind != Normalization::kMinMax; });
  if (!head.clips_actions() || other == actions.end()) return;
  throw Error({.what = "the head clips actions to [-1, 1], a range that only min_max guarantees",
               .where = "agent.action_normalization",
               .expected = "min_max",
               .found = to_string(*other),
               .next = "change it, or turn off the head's clipping"});
}

const StreamSpec& text_stream(const ObservationSpec& spec, const std::string& name) {
  const StreamSpec* stream = spec.find(name);
  if (stream != nullptr && stream->kind == StreamKind::kText) return *stream;
  throw Error({.what = "the data has no text stream '" + name + "'",
               .where = "agent.text_stream",
               .expected = fmt::format("a text stream among {}", fmt::join(spec.names(), ", ")),
               .next = "set agent.language=none, or load the stream"});
}

}  // namespace

void check_not_empty(const ConditionSpec& condition) {
  if (condition.per_step_cond_dim() > 0) return;
  throw Error({.what = "the policy has no input: there is no backbone, and the data has no state",
               .where = "agent.backbone",
               .expected = "a backbone, or data with a state",
               .next = "set agent.backbone, or collect the data with a state"});
}

VlaAgent::VlaAgent(const VlaAgentOptions& options, const ObservationSpec& spec,
                   std::shared_ptr<Backbone> backbone, std::shared_ptr<Head> head)
    : options_(options),
      spec_(spec),
      backbone_(std::move(backbone)),
      head_(std::move(head)),
      state_layout_(options_.state_layout(spec.state_dim())) {
  // Backbone, head and options must fit each other and the data.
  check_execution(options_.execution(spec.action_dim));
  if (backbone_) {
    check_cameras(*backbone_, spec_);
    register_module("backbone", backbone_);
  }
  register_module("head", head_);
  check_action_options(options_.actions(), spec_.action_dim, state_layout_);
  check_clipping(*head_, options_.actions().normalization,
                 options_.action_layout(spec_.action_dim));
  if (options_.use_env_state && spec_.env_state_dim() == 0) {
    throw Error({.what = "use_env_state requires a state that the data does not contain",
                 .where = "agent.use_env_state",
                 .expected = "data with env_state",
                 .next = "set agent.use_env_state=false, or collect the data again"});
  }
  condition_ = condition_spec(backbone_.get(), state_layout_.dim_6d(),
                              options_.use_env_state ? spec_.env_state_dim() : 0);
  condition_.text_dim = options_.language.condition_dim();
  check_not_empty(condition_);
  if (condition_.text_dim > 0) {
    text_ = register_module(
        "text", std::make_shared<TextEmbedding>(options_.language,
                                                text_stream(spec_, options_.language.stream)));
  }

  // One normalizer per input; features of a trained backbone are not normalized.
  auto normalizer_of_each = [&](const char* name, const std::vector<Normalization>& kinds) {
    return register_module(fmt::format("{}_normalizer", name),
                           std::make_shared<Normalizer>(name, kinds));
  };
  auto normalizer = [&](const char* name, std::int64_t dim, Normalization kind) {
    return normalizer_of_each(name,
                              std::vector<Normalization>(static_cast<std::size_t>(dim), kind));
  };
  if (condition_.state_dim > 0) {
    const std::vector<Normalization> kinds(static_cast<std::size_t>(spec_.state_dim()),
                                           options_.state_normalization);
    state_normalizer_ = normalizer_of_each("state", state_layout_.to_6d(kinds));
  }
  actions_.emplace(options_.actions(), spec_.action_dim, state_layout_, *this);
  any_buffer_ = actions_->normalizer().buffers().front();
  if (condition_.env_state_dim > 0) {
    env_state_normalizer_ =
        normalizer("env_state", condition_.env_state_dim, options_.state_normalization);
  }
  if (backbone_) {
    const bool is_fitted = backbone_->frozen() && !backbone_->features_are_normalized();
    feature_normalizer_ =
        normalizer("feature", condition_.visual_dim,
                   is_fitted ? options_.feature_normalization : Normalization::kIdentity);
  }
}

std::vector<std::string> VlaAgent::input_names() const {
  std::vector<std::string> names;
  if (state_normalizer_) names.emplace_back(kState);
  if (env_state_normalizer_) names.emplace_back(kEnvState);
  if (text_) names.push_back(options_.language.stream);
  return names;
}

std::vector<std::string> VlaAgent::stream_names() const {
  std::vector<std::string> names = input_names();
  if (!backbone_) return names;
  for (std::string& name : backbone_->stream_names()) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
  }
  return names;
}

void VlaAgent::set_statistics(const DatasetStatistics& statistics) {
  if (state_normalizer_) state_normalizer_->fit(state_layout_.to_6d(statistics.state));
  actions_->fit(statistics);
  if (text_) {
    const auto texts = statistics.texts.find(options_.language.stream);
    text_->set_texts(texts != statistics.texts.end() ? texts->second : std::vector<std::string>());
  }
  if (env_state_normalizer_ && statistics.env_state) {
    env_state_normalizer_->fit(*statistics.env_state);
  }
  if (feature_normalizer_ && statistics.features) feature_normalizer_->fit(*statistics.features);
}

bool VlaAgent::has_statistics() const {
  for (const auto& normalizer : {state_normalizer_, env_state_normalizer_, feature_normalizer_}) {
    if (normalizer && !normalizer->fitted()) return false;
  }
  return actions_->normalizer().fitted() && (!text_ || text_->has_texts());
}

// Reading the flags synchronizes with a GPU, so a positive result is cached.
void VlaAgent::require_statistics() {
  if (statistics_known_) return;
  if (!has_statistics()) {
    throw Error({.what = "the agent has no normalization statistics",
                 .where = "vla_agent",
                 .expected = "statistics of states, actions and frozen features",
                 .next = "train it, or load a checkpoint that contains them"});
  }
  actions_->check_rotation_kinds();
  statistics_known_ = true;
}

at::Tensor VlaAgent::features_of(const Batch& batch, at::Generator& generator) {
  if (!backbone_) return {};
  const at::Tensor features =
      batch.features.defined() ? batch.features : backbone_->encode(batch.observations, generator);
  return feature_normalizer_->normalize(features);
}

LossReport VlaAgent::loss(const Batch& batch, at::Generator& generator) {
  require_statistics();

  // Normalized states, with noise in training.
  at::Tensor state, env_state;
  if (state_normalizer_) state = normalized_state(batch.observations.at(kState));
  if (env_state_normalizer_) {
    env_state = env_state_normalizer_->normalize(batch.observations.at(kEnvState));
  }
  if (state.defined() && is_training() && options_.state_noise > 0.0) {
    state = state + options_.state_noise * at::randn(state.sizes(), generator, state.options());
  }

  // The head's loss under the condition of features and states.
  const at::Tensor features = features_of(batch, generator);
  const at::Tensor text =
      text_ ? text_->embed(batch.observations.at(options_.language.stream)) : at::Tensor();
  const Condition condition(build_cond(condition_, features, state, env_state, text),
                            tokens_of(features));
  const at::Tensor reference = actions_->is_relative()
                                   ? batch.observations.at(kState).slice(1, -1)  // [B, 1, S]
                                   : at::Tensor();
  return head_->loss(actions_->normalize(batch.actions, reference), condition, batch.is_pad,
                     generator);
}

std::unique_ptr<Actor> VlaAgent::make_actor(const ActorOptions& options) {
  actions_->check_rotation_kinds();
  return std::make_unique<VlaActor>(*this, options);
}

void VlaAgent::check(const Observation& observation) const {
  for (const std::string& name : input_names()) {
    if (observation.get(name).defined()) continue;
    throw Error({.what = "the observation lacks " + name,
                 .where = "vla_agent",
                 .expected = fmt::format(
                     "{} [{}]", text_ && name == options_.language.stream ? "uint8" : "float",
                     spec_.at(name).shape.front()),
                 .next = "pass every stream in stream_names() to the actor"});
  }
  if (state_layout_.has_rotations()) check_rows(kState, observation.at(kState));
}

void VlaAgent::check_rows(const std::string& stream, const at::Tensor& rows) const {
  if (stream == kState) state_layout_.check(rows, "the state");
  if (stream == "action") actions_->layout().check(rows, "the action");
}

at::Tensor VlaAgent::normalized_state(const at::Tensor& state) const {
  return state_normalizer_->normalize(state_layout_.to_6d(state));
}

at::Tensor VlaAgent::reference_of(const Observation& observation) const {
  return actions_->is_relative() ? observation.at(kState).to(device(), at::kFloat) : at::Tensor();
}

at::Tensor VlaAgent::normalize_actions(const at::Tensor& commands,
                                       const at::Tensor& reference) const {
  return actions_->normalize(commands.to(device(), at::kFloat), reference);
}

at::Tensor VlaAgent::unnormalize(const at::Tensor& chunk, const at::Tensor& reference) const {
  return actions_->unnormalize(chunk, reference).to(at::kCPU);
}

bool VlaAgent::decays(const std::string& name, const at::Tensor& parameter) const {
  static const std::string kHead = "head.";
  if (name.starts_with(kHead)) return head_->decays(name.substr(kHead.size()), parameter);
  return Agent::decays(name, parameter);
}

}  // namespace roboimi::vla_agent
