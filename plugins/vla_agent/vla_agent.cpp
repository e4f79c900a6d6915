#include "plugins/vla_agent/vla_agent.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/model/backbone.h"

namespace roboimi::vla_agent {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

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
  if (!head.clips_actions() || actions != Normalization::kMeanStd) return;
  throw Error({.what = "the head keeps actions in [-1, 1], and mean_std does not put them there",
               .where = "agent.action_normalization",
               .expected = "min_max",
               .found = "mean_std",
               .next = "change it, or turn the head's clipping off"});
}

}  // namespace

VlaAgent::VlaAgent(const VlaAgentOptions& options, const ObservationSpec& spec,
                   std::shared_ptr<Backbone> backbone, std::shared_ptr<Head> head)
    : options_(options),
      spec_(spec),
      backbone_(std::move(backbone)),
      head_(std::move(head)),
      schedule_(options.execution()) {
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
  if (condition_.env_state_dim > 0) {
    env_state_normalizer_ =
        normalizer("env_state", condition_.env_state_dim, options_.state_normalization);
  }
  if (backbone_) {
    feature_normalizer_ =
        normalizer("feature", condition_.visual_dim,
                   backbone_->frozen() ? options_.feature_normalization : Normalization::kIdentity);
  }
}

at::Device VlaAgent::device() const { return head_->parameters().front().device(); }

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
  const at::Tensor cond = build_cond(condition_, features_of(batch, generator),
                                     state_normalizer_->normalize(batch.state), env_state);
  return head_->loss(action_normalizer_->normalize(batch.actions), cond, batch.is_pad, generator);
}

bool VlaAgent::decays(const std::string& name, const at::Tensor& parameter) const {
  static const std::string kHead = "head.";
  if (name.starts_with(kHead)) return head_->decays(name.substr(kHead.size()), parameter);
  return Agent::decays(name, parameter);
}

void VlaAgent::reset(std::uint64_t seed) {
  plan_ = {};  // of the episode before, waited for
  observations_.clear();
  schedule_.reset();
  seed_ = seed;
  num_plans_ = 0;
  step_ = 0;
}

bool VlaAgent::needs_images() const {
  // A plan looks at the last obs_horizon observations, the one of its own step included.
  return backbone_ && schedule_.next_plan(step_) - step_ < options_.horizons.obs;
}

VlaAgent::Step VlaAgent::observe(const Observation& observation) {
  Step step;
  if (needs_images()) {
    Images batch;
    for (const std::string& camera : backbone_->camera_names()) {
      const auto found = observation.images.find(camera);
      if (found == observation.images.end()) continue;  // encode() names what is missing
      batch[camera] = found->second.to(device()).unsqueeze(0).unsqueeze(0);
    }
    at::Generator unused = make_generator(0, device());
    step.features = feature_normalizer_->normalize(backbone_->encode(batch, unused)).flatten();
  }
  step.state = state_normalizer_->normalize(observation.state.to(device(), at::kFloat));
  if (env_state_normalizer_) {
    if (!observation.env_state.defined()) {
      throw Error({.what = "the observation lacks env_state",
                   .where = "vla_agent",
                   .expected = fmt::format("float [{}]", condition_.env_state_dim)});
    }
    step.env_state =
        env_state_normalizer_->normalize(observation.env_state.to(device(), at::kFloat));
  }
  return step;
}

at::Tensor VlaAgent::condition_of_queue() const {
  std::vector<at::Tensor> features, states, env_states;
  for (const Step& step : observations_) {
    if (backbone_) features.push_back(step.features);
    states.push_back(step.state);
    if (env_state_normalizer_) env_states.push_back(step.env_state);
  }
  auto stack = [](const std::vector<at::Tensor>& parts) {
    return parts.empty() ? at::Tensor() : at::stack(parts).unsqueeze(0);
  };
  return build_cond(condition_, stack(features), stack(states), stack(env_states));
}

// The chunk is computed here, or on another thread where there is something to play meanwhile.
void VlaAgent::start_plan() {
  at::Generator generator = make_generator(mix_seed(seed_, num_plans_++), device());
  auto compute = [this, condition = condition_of_queue(), generator]() mutable {
    const torch::NoGradGuard no_grad;  // of this thread
    const auto start = Clock::now();
    const at::Tensor chunk = head_->sample(condition, generator);
    const at::Tensor commands =
        action_normalizer_->unnormalize(chunk.squeeze(0).to(at::kFloat)).to(at::kCPU);
    return Plan{.commands = commands, .milliseconds = milliseconds_since(start)};
  };
  const bool waits = schedule_.arrival(step_) > step_;
  plan_ = std::async(waits ? std::launch::async : std::launch::deferred, std::move(compute));
  plan_step_ = step_;
}

void VlaAgent::receive_plan() {
  const auto start = Clock::now();
  const Plan plan = plan_.get();
  schedule_.add(plan_step_, plan.commands);
  timing_.inference_ms = milliseconds_since(start);
  timing_.plan_ms = plan.milliseconds;
}

at::Tensor VlaAgent::act(const Observation& observation) {
  const torch::NoGradGuard no_grad;
  require_statistics();
  const auto start = Clock::now();
  Step step = observe(observation);
  timing_ = {.preprocess_ms = milliseconds_since(start)};

  // The first observation fills the queue.
  const auto horizon = static_cast<std::size_t>(options_.horizons.obs);
  if (observations_.empty()) observations_.assign(horizon, step);
  observations_.pop_front();
  observations_.push_back(std::move(step));

  if (schedule_.plans_at(step_)) start_plan();
  if (plan_.valid() && schedule_.arrival(plan_step_) == step_) receive_plan();
  return schedule_.command(step_++);
}

}  // namespace roboimi::vla_agent
