#include "plugins/vla_agent/vla_agent.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "roboimi/common/error.h"
#include "roboimi/contract/backbone.h"

namespace roboimi::vla_agent {
namespace {

void check_cameras(const Backbone& backbone, const ObservationSpec& spec) {
  for (const std::string& camera : backbone.camera_names()) {
    if (spec.images.contains(camera)) continue;
    throw Error({.what = fmt::format("the backbone needs camera '{}', which the data does not give",
                                     camera),
                 .where = "agent.backbone.camera_names",
                 .expected = fmt::format("a subset of {}", fmt::join(spec.camera_names, ", ")),
                 .found = fmt::format("{}", fmt::join(backbone.camera_names(), ", ")),
                 .next = "add the camera to data.camera_names, or change the backbone's"});
  }
}

void check_clipping(const Head& head, Normalization actions) {
  if (!head.clips_actions() || actions == Normalization::kMinMax) return;
  throw Error({.what = "the head keeps actions in [-1, 1], where min_max alone puts them",
               .where = "agent.action_normalization",
               .expected = "min_max",
               .found = to_string(actions),
               .next = "change it, or turn the head's clipping off"});
}

}  // namespace

VlaAgent::VlaAgent(const VlaAgentOptions& options, const ObservationSpec& spec,
                   std::shared_ptr<Backbone> backbone, std::shared_ptr<Head> head)
    : options_(options),
      spec_(spec),
      backbone_(std::move(backbone)),
      head_(std::move(head)),
      schedule_(options.execution(spec.action_dim)) {
  if (backbone_) {
    check_cameras(*backbone_, spec_);
    register_module("backbone", backbone_);
  }
  register_module("head", head_);
  check_clipping(*head_, options_.action_normalization);
  if (options_.use_env_state && spec_.env_state_dim == 0) {
    throw Error({.what = "use_env_state asks for a state that the data does not record",
                 .where = "agent.use_env_state",
                 .expected = "data with env_state",
                 .next = "set agent.use_env_state=false, or collect the data again"});
  }
  condition_ = condition_spec(backbone_.get(), spec_.state_dim,
                              options_.use_env_state ? spec_.env_state_dim : 0);
  auto normalizer = [&](const char* name, std::int64_t dim, Normalization kind) {
    return register_module(fmt::format("{}_normalizer", name),
                           std::make_shared<Normalizer>(name, dim, kind));
  };
  state_normalizer_ = normalizer("state", spec_.state_dim, options_.state_normalization);
  action_normalizer_ = normalizer("action", spec_.action_dim, options_.action_normalization);
  moved_along_ = action_normalizer_->buffers().front();
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

at::Device VlaAgent::device() const { return moved_along_.device(); }

void VlaAgent::set_statistics(const DatasetStatistics& statistics) {
  state_normalizer_->fit(statistics.state);
  action_normalizer_->fit(statistics.action);
  if (env_state_normalizer_ && statistics.env_state) {
    env_state_normalizer_->fit(*statistics.env_state);
  }
  if (feature_normalizer_ && statistics.features) feature_normalizer_->fit(*statistics.features);
}

bool VlaAgent::has_statistics() const {
  for (const auto& normalizer :
       {state_normalizer_, action_normalizer_, env_state_normalizer_, feature_normalizer_}) {
    if (normalizer && !normalizer->fitted()) return false;
  }
  return true;
}

// Reading the flags synchronises a GPU, so a "yes" is remembered.
void VlaAgent::require_statistics() {
  if (statistics_known_) return;
  if (!has_statistics()) {
    throw Error({.what = "the agent has no normalisation statistics",
                 .where = "vla_agent",
                 .expected = "statistics of states, actions and frozen features",
                 .next = "train it, or load a checkpoint that holds them"});
  }
  statistics_known_ = true;
}

at::Tensor VlaAgent::features_of(const Batch& batch, at::Generator& generator) {
  if (!backbone_) return {};
  const at::Tensor features =
      batch.features.defined() ? batch.features : backbone_->encode(batch.images, generator);
  return feature_normalizer_->normalize(features);
}

LossReport VlaAgent::loss(const Batch& batch, at::Generator& generator) {
  require_statistics();
  const at::Tensor env_state =
      env_state_normalizer_ ? env_state_normalizer_->normalize(batch.env_state) : at::Tensor();
  at::Tensor state = state_normalizer_->normalize(batch.state);
  if (is_training() && options_.state_noise > 0.0) {
    state = state + options_.state_noise * at::randn(state.sizes(), generator, state.options());
  }
  const at::Tensor cond = build_cond(condition_, features_of(batch, generator), state, env_state);
  return head_->loss(action_normalizer_->normalize(batch.actions), cond, batch.is_pad, generator);
}

bool VlaAgent::decays(const std::string& name, const at::Tensor& parameter) const {
  static const std::string kHead = "head.";
  if (name.starts_with(kHead)) return head_->decays(name.substr(kHead.size()), parameter);
  return Agent::decays(name, parameter);
}

}  // namespace roboimi::vla_agent
