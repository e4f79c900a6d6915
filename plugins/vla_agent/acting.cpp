// The acting side of VlaAgent: observations are queued, chunks asked for and received, commands
// given.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "plugins/vla_agent/vla_agent.h"
#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/contract/backbone.h"

namespace roboimi::vla_agent {
namespace {

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// What act() keeps back of its deadline for what it does after waiting.
std::chrono::nanoseconds reserve_of(std::chrono::nanoseconds deadline) {
  return std::min<std::chrono::nanoseconds>(deadline / 4, std::chrono::milliseconds(1));
}

bool is_running(const std::future<void>& task) {
  return task.valid() && task.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
}

}  // namespace

// There is a deadline to keep, or something to play meanwhile.
bool VlaAgent::computes_aside() const { return deadline_ || options_.latency_steps > 0; }

// ---- Observations -------------------------------------------------------------------------------

bool VlaAgent::needs_images() const {
  // A plan looks at the last obs_horizon observations, the one of its own step included.
  return backbone_ && (plan_owed_ || schedule_.next_plan(step_) - step_ < options_.horizons.obs);
}

void VlaAgent::check(const Observation& observation) const {
  if (!env_state_normalizer_ || observation.env_state.defined()) return;
  throw Error({.what = "the observation lacks env_state",
               .where = "vla_agent",
               .expected = fmt::format("float [{}]", condition_.env_state_dim)});
}

// What encode() will look at.
Observation VlaAgent::looked_at(const Observation& observation) const {
  Observation seen{.state = observation.state};
  if (env_state_normalizer_) seen.env_state = observation.env_state;
  if (!needs_images()) return seen;
  for (const std::string& camera : backbone_->camera_names()) {
    const auto found = observation.images.find(camera);
    // encode() names what is missing.
    if (found != observation.images.end()) seen.images[camera] = found->second;
  }
  return seen;
}

void VlaAgent::encode(Step& step) {
  if (step.is_encoded) return;
  const torch::NoGradGuard no_grad;  // of this thread
  if (step.with_images) {
    Images batch;
    for (const auto& [camera, image] : step.raw.images) {
      batch[camera] = image.to(device()).unsqueeze(0).unsqueeze(0);
    }
    at::Generator unused = make_generator(0, device());
    step.features = feature_normalizer_->normalize(backbone_->encode(batch, unused)).flatten();
  }
  step.state = state_normalizer_->normalize(step.raw.state.to(device(), at::kFloat));
  if (env_state_normalizer_) {
    step.env_state = env_state_normalizer_->normalize(step.raw.env_state.to(device(), at::kFloat));
  }
  step.raw = {};
  step.is_encoded = true;
}

// Encodes it here, or, where chunks are computed aside, copies it for the worker to encode.
void VlaAgent::observe(const Observation& observation) {
  check(observation);
  auto step = std::make_shared<Step>();
  step->raw = looked_at(observation);
  step->with_images = needs_images();
  if (computes_aside()) {
    for (auto& [camera, image] : step->raw.images) image = image.clone();
    step->raw.state = step->raw.state.clone();
    if (env_state_normalizer_) step->raw.env_state = step->raw.env_state.clone();
  } else {
    encode(*step);
  }
  // The first observation fills the queue.
  const auto horizon = static_cast<std::size_t>(options_.horizons.obs);
  if (observations_.empty()) observations_.assign(horizon, step);
  observations_.pop_front();
  observations_.push_back(std::move(step));
}

// A picture that a coming plan will look at is encoded ahead of it when there is nothing else to
// do; what is left over, the plan itself encodes.
void VlaAgent::encode_ahead() {
  if (!computes_aside() || plan_.valid() || is_running(encoding_)) return;
  if (const auto& step = observations_.back(); step->with_images) {
    encoding_ = worker_.run([this, step] { encode(*step); });
  }
}

// ---- Plans --------------------------------------------------------------------------------------

at::Tensor VlaAgent::condition_of(const std::vector<std::shared_ptr<Step>>& steps) const {
  std::vector<at::Tensor> features, states, env_states;
  for (const auto& step : steps) {
    if (backbone_) features.push_back(step->features);
    states.push_back(step->state);
    if (env_state_normalizer_) env_states.push_back(step->env_state);
  }
  auto stack = [](const std::vector<at::Tensor>& parts) {
    return parts.empty() ? at::Tensor() : at::stack(parts).unsqueeze(0);
  };
  return build_cond(condition_, stack(features), stack(states), stack(env_states));
}

// False for some steps after a plan that failed: its successor is made from pictures that were not
// asked for until then.
bool VlaAgent::sees_enough() const {
  return !backbone_ ||
         std::ranges::all_of(observations_, [](const auto& step) { return step->with_images; });
}

// What the head gives, float [H, A]: checked here, where a plan that fails is made again.
at::Tensor VlaAgent::sample_chunk(const at::Tensor& condition, at::Generator& generator) {
  at::Tensor chunk = head_->sample(condition, generator);
  const bool is_batch_of_one = chunk.defined() && chunk.dim() == 3 && chunk.size(0) == 1;
  if (is_batch_of_one) chunk = chunk.squeeze(0);
  schedule_.check(chunk, head_->name());
  return chunk.to(at::kFloat);
}

// `seen`: when its last observation came.
void VlaAgent::start_plan(Clock::time_point seen) {
  at::Generator generator = make_generator(mix_seed(seed_, num_plans_++), device());
  std::vector<std::shared_ptr<Step>> steps(observations_.begin(), observations_.end());
  auto compute = [this, steps = std::move(steps), generator, seen]() mutable {
    const torch::NoGradGuard no_grad;  // of this thread
    for (const auto& step : steps) encode(*step);
    const at::Tensor chunk = sample_chunk(condition_of(steps), generator);
    const at::Tensor commands = action_normalizer_->unnormalize(chunk).to(at::kCPU);
    return Plan{.commands = commands, .milliseconds = milliseconds_since(seen)};
  };
  plan_step_ = step_;
  plan_owed_ = false;
  plan_ = computes_aside() ? worker_.run(std::move(compute))
                           : std::async(std::launch::deferred, std::move(compute));
}

// A chunk is due from its arrival on, and before it where nothing else is left to play.
bool VlaAgent::plan_is_due() const {
  return plan_.valid() && (step_ >= schedule_.arrival(plan_step_) || !schedule_.covers(step_));
}

// Waits for the chunk that is due, until `end` where there is a deadline and a command to fall back
// on.
void VlaAgent::receive_plan(Clock::time_point end) {
  const auto start = Clock::now();
  const bool waits_for_ever = !deadline_ || !last_command_.defined();
  if (waits_for_ever || plan_.wait_until(end) == std::future_status::ready) {
    // It is still owed if it has failed.
    const bool is_owed = std::exchange(plan_owed_, true);
    const Plan plan = plan_.get();
    plan_owed_ = is_owed;
    schedule_.add(plan_step_, plan.commands);
    timing_.plan_ms = plan.milliseconds;
  }
  timing_.inference_ms += milliseconds_since(start);
}

// ---- Acting -------------------------------------------------------------------------------------

void VlaAgent::wait_until_idle() {
  if (encoding_.valid()) encoding_.wait();
  if (plan_.valid()) plan_.wait();
}

void VlaAgent::set_deadline(std::optional<std::chrono::nanoseconds> deadline) {
  wait_until_idle();
  deadline_ = deadline;
}

void VlaAgent::reset(std::uint64_t seed) {
  wait_until_idle();
  plan_ = {};  // of the episode before
  observations_.clear();
  schedule_.reset();
  last_command_ = at::Tensor();
  plan_owed_ = false;
  seed_ = seed;
  num_plans_ = 0;
  step_ = 0;
}

at::Tensor VlaAgent::act(const Observation& observation) {
  const torch::NoGradGuard no_grad;
  require_statistics();
  const auto start = Clock::now();
  const auto end = deadline_ ? start + *deadline_ - reserve_of(*deadline_) : Clock::time_point();
  observe(observation);
  timing_ = {.preprocess_ms = milliseconds_since(start)};

  // What was late and has come, then what is asked for, then what must be there by now.
  if (deadline_ && plan_is_due()) receive_plan(start);
  if (schedule_.plans_at(step_)) plan_owed_ = true;
  if (plan_owed_ && !plan_.valid() && sees_enough()) start_plan(start);
  encode_ahead();
  if (plan_is_due()) receive_plan(end);

  timing_.late = plan_is_due() || plan_owed_;
  timing_.held = !schedule_.covers(step_);
  if (!timing_.held) last_command_ = schedule_.command(step_);
  ++step_;
  return last_command_.clone();
}

}  // namespace roboimi::vla_agent
