#include "plugins/vla_agent/vla_agent.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/utils.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "plugins/vla_agent/vla_actor.h"
#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/contract/mode_guard.h"

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

// Stacks the parts along a new first dimension; undefined if there are none.
at::Tensor stack(const std::vector<at::Tensor>& parts) {
  return parts.empty() ? at::Tensor() : at::stack(parts);
}

bool is_any_part_training(const torch::nn::Module& module) {
  return module.is_training() || std::ranges::any_of(module.children(), [](const auto& part) {
           return is_any_part_training(*part);
         });
}

// Evaluation mode for a computation of an actor, regardless of the mode in which the caller left
// the model.
class EvaluationMode {
 public:
  explicit EvaluationMode(torch::nn::Module& model) {
    if (is_any_part_training(model)) guard_.emplace(model, /*training=*/false);
  }

 private:
  std::optional<ModeGuard> guard_;
};

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

EncodedObservation VlaAgent::encode(const Observation& observation, bool with_images) {
  const torch::NoGradGuard no_grad;
  EncodedObservation encoded;

  // Features, as a batch of one sample and one step.
  if (with_images) {
    Observation batch;
    for (const std::string& stream : backbone_->stream_names()) {
      const at::Tensor values = observation.get(stream);
      // encode() reports missing streams.
      if (values.defined()) batch[stream] = values.to(device()).unsqueeze(0).unsqueeze(0);
    }
    at::Generator unused = make_generator(0, device());
    const std::lock_guard lock(models_);
    const EvaluationMode evaluation(*backbone_);
    encoded.features = feature_normalizer_->normalize(backbone_->encode(batch, unused)).flatten();
  }

  // States.
  const auto values_of = [&](const char* name) {
    return observation.at(name).to(device(), at::kFloat);
  };
  if (state_normalizer_) encoded.state = normalized_state(values_of(kState));
  if (env_state_normalizer_) {
    encoded.env_state = env_state_normalizer_->normalize(values_of(kEnvState));
  }
  if (text_) encoded.text = text_->embed_one(observation.at(options_.language.stream));
  return encoded;
}

Condition VlaAgent::condition_of(const std::vector<EncodedObservation>& steps) const {
  std::vector<at::Tensor> features, states, env_states, texts;
  for (const EncodedObservation& step : steps) {
    if (backbone_) features.push_back(step.features);
    if (state_normalizer_) states.push_back(step.state);
    if (env_state_normalizer_) env_states.push_back(step.env_state);
    if (text_) texts.push_back(step.text);
  }

  // Stacked over the steps, as a batch of one.
  const auto batch_of_one = [](const std::vector<at::Tensor>& parts) {
    return parts.empty() ? at::Tensor() : stack(parts).unsqueeze(0);
  };
  const at::Tensor stacked = batch_of_one(features);
  const at::Tensor cond = build_cond(condition_, stacked, batch_of_one(states),
                                     batch_of_one(env_states), batch_of_one(texts));
  const at::Tensor tokens = tokens_of(stacked);
  return {cond.squeeze(0), tokens.defined() ? tokens.squeeze(0) : at::Tensor()};
}

// The features as one token per camera and step: [B, T, V] -> [B, T * cameras, D].
at::Tensor VlaAgent::tokens_of(const at::Tensor& features) const {
  if (!features.defined()) return {};
  return features.reshape({features.size(0), -1, backbone_->output_dim()});
}

// Requests are batched by the length of their prefix.
at::Tensor VlaAgent::sample_plans(const std::vector<PlanRequest>& requests) {
  std::map<std::int64_t, std::vector<std::size_t>> by_prefix;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const at::Tensor& prefix = requests[i].prefix;
    by_prefix[prefix.defined() ? prefix.size(0) : 0].push_back(i);
  }

  // One call of the head per batch; chunks are returned in the order of the requests.
  std::vector<at::Tensor> chunks(requests.size());
  for (const auto& [length, rows] : by_prefix) {
    std::vector<at::Tensor> steps, tokens, prefixes;
    std::vector<at::Generator> noise;
    for (const std::size_t row : rows) {
      steps.push_back(requests[row].condition.steps);
      if (backbone_) tokens.push_back(requests[row].condition.tokens);
      noise.push_back(requests[row].noise);
      if (length > 0) prefixes.push_back(requests[row].prefix);
    }
    const at::Tensor sampled =
        sample({stack(steps), stack(tokens)}, BatchGenerator(std::move(noise)), stack(prefixes));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      chunks[rows[i]] = sampled[static_cast<std::int64_t>(i)];
    }
  }
  return at::stack(chunks);
}

// Calls the head and checks its output, float [N, H, A] with the head's A.
at::Tensor VlaAgent::sample(const Condition& condition, const BatchGenerator& noise,
                            const at::Tensor& prefix) {
  const torch::NoGradGuard no_grad;
  const at::Tensor chunks = [&] {
    const std::lock_guard lock(models_);
    const EvaluationMode evaluation(*head_);
    return head_->sample(condition, noise, prefix);
  }();
  const std::int64_t count = condition.steps.size(0);
  const bool is_batch = chunks.defined() && chunks.dim() == 3 && chunks.size(0) == count;
  check_chunk(execution(), is_batch ? chunks[0] : chunks, head_->name());
  return chunks.to(at::kFloat);
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
