#include "plugins/vla_agent/vla_actor.h"

#include <ATen/ATen.h>
#include <torch/utils.h>

#include <algorithm>
#include <utility>

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

VlaActor::VlaActor(VlaAgent& agent, const ActorOptions& options)
    : agent_(agent),
      deadline_(options.deadline),
      schedule_(agent.options().execution(agent.spec().action_dim)) {}

VlaActor::~VlaActor() = default;

std::int64_t VlaActor::latency_steps() const { return agent_.options().latency_steps; }

// There is a deadline to keep, or something to play meanwhile.
bool VlaActor::computes_aside() const { return deadline_ || latency_steps() > 0; }

// ---- Observations -------------------------------------------------------------------------------

bool VlaActor::needs_images() const {
  // A plan looks at the last obs_horizon observations, the one of its own step included.
  return agent_.backbone() != nullptr &&
         (plan_owed_ || schedule_.next_plan(step_) - step_ < agent_.horizons().obs);
}

// What encode() will look at.
Observation VlaActor::looked_at(const Observation& observation) const {
  Observation seen;
  const auto look_at = [&](const std::string& stream) {
    const auto found = observation.find(stream);
    // encode() names what is missing.
    if (found != observation.end()) seen[stream] = found->second;
  };
  look_at(kState);
  if (agent_.sees_env_state()) look_at(kEnvState);
  if (needs_images()) std::ranges::for_each(agent_.backbone()->stream_names(), look_at);
  return seen;
}

void VlaActor::encode(Step& step) {
  if (step.is_encoded) return;
  step.encoded = agent_.encode(step.raw, step.with_images);
  step.raw = {};
  step.is_encoded = true;
}

// Encodes the observation here, or, where chunks are computed aside, copies it for the worker.
void VlaActor::observe(const Observation& observation) {
  agent_.require_statistics();
  agent_.check(observation);
  observed_ = Clock::now();
  // The chunk that was asked for has failed: it is asked for again.
  if (std::exchange(is_asked_, false)) plan_owed_ = true;
  auto step = std::make_shared<Step>();
  step->raw = looked_at(observation);
  step->with_images = needs_images();
  if (computes_aside()) {
    for (auto& [stream, values] : step->raw) values = values.clone();
  } else {
    encode(*step);
  }
  // The first observation fills the queue.
  const auto horizon = static_cast<std::size_t>(agent_.horizons().obs);
  if (observations_.empty()) observations_.assign(horizon, step);
  observations_.pop_front();
  observations_.push_back(std::move(step));
  timing_ = {.preprocess_ms = milliseconds_since(observed_)};
  if (schedule_.plans_at(step_)) plan_owed_ = true;
}

// An image that a coming plan will look at is encoded ahead of it when there is nothing else to do;
// what is left over, the plan itself encodes.
void VlaActor::encode_ahead() {
  if (!computes_aside() || plan_.valid() || is_running(encoding_)) return;
  if (const auto& step = observations_.back(); step->with_images) {
    encoding_ = worker_.run([this, step] { encode(*step); });
  }
}

// ---- Plans --------------------------------------------------------------------------------------

// False for some steps after a plan that failed: its successor is made from images that were not
// asked for until then.
bool VlaActor::sees_enough() const {
  return agent_.backbone() == nullptr ||
         std::ranges::all_of(observations_, [](const auto& step) { return step->with_images; });
}

bool VlaActor::wants_plan() const {
  return plan_owed_ && !plan_.valid() && !is_asked_ && sees_enough();
}

// The commands that the next chunk cannot change: those of the rows before the present, and those
// that play until it arrives. Undefined where they are not known, or the head does not ask.
at::Tensor VlaActor::committed_prefix() const {
  const std::int64_t past = agent_.horizons().first_action(), coming = latency_steps();
  const bool is_known =
      std::ssize(past_commands_) == past && (coming == 0 || schedule_.covers(step_ + coming - 1));
  if (!agent_.head().continues_prefix() || past + coming == 0 || !is_known) return {};
  std::vector<at::Tensor> commands(past_commands_.begin(), past_commands_.end());
  for (std::int64_t ahead = 0; ahead < coming; ++ahead) {
    commands.push_back(schedule_.planned(step_ + ahead));
  }
  return agent_.normalize_actions(at::stack(commands));
}

PlanRequest VlaActor::request_of(const Steps& steps, at::Generator noise,
                                 const at::Tensor& prefix) {
  std::vector<EncodedObservation> encoded;
  for (const auto& step : steps) {
    encode(*step);
    encoded.push_back(step->encoded);
  }
  return {.condition = agent_.condition_of(encoded), .noise = std::move(noise), .prefix = prefix};
}

// The plan under way is that of the present step.
void VlaActor::begin_plan() {
  plan_step_ = step_;
  planned_ = observed_;
  plan_owed_ = false;
  ++num_plans_;
}

PlanRequest VlaActor::plan_request() {
  ROBOIMI_CHECK(wants_plan(), "plan_request() where no plan is wanted");
  const torch::NoGradGuard no_grad;
  if (encoding_.valid()) encoding_.wait();
  PlanRequest request =
      request_of({observations_.begin(), observations_.end()},
                 make_generator(mix_seed(seed_, num_plans_), agent_.device()), committed_prefix());
  begin_plan();
  is_asked_ = true;
  return request;
}

void VlaActor::accept(const at::Tensor& chunk) {
  if (!is_asked_) return Actor::accept(chunk);
  check_chunk(agent_.options().execution(agent_.spec().action_dim), chunk, agent_.head().name());
  std::promise<Plan> plan;
  const double elapsed = milliseconds_since(planned_);
  plan.set_value({.commands = agent_.commands_of(chunk), .milliseconds = elapsed});
  plan_ = plan.get_future();
  is_asked_ = false;
  timing_.inference_ms += elapsed - timing_.preprocess_ms;
}

void VlaActor::start_plan() {
  Steps steps(observations_.begin(), observations_.end());
  at::Generator noise = make_generator(mix_seed(seed_, num_plans_), agent_.device());
  auto compute = [this, steps = std::move(steps), noise = std::move(noise),
                  prefix = committed_prefix(), seen = observed_] {
    const torch::NoGradGuard no_grad;  // of this thread
    const at::Tensor chunk = agent_.sample_plans({request_of(steps, noise, prefix)})[0];
    const at::Tensor commands = agent_.commands_of(chunk);
    return Plan{.commands = commands, .milliseconds = milliseconds_since(seen)};
  };
  begin_plan();
  plan_ = computes_aside() ? worker_.run(std::move(compute))
                           : std::async(std::launch::deferred, std::move(compute));
}

// A chunk is due from its arrival on, and before it where nothing else is left to play.
bool VlaActor::plan_is_due() const {
  return plan_.valid() && (step_ >= schedule_.arrival(plan_step_) || !schedule_.covers(step_));
}

// Waits for the chunk that is due, until `end` where there is a deadline and a command to fall back
// on.
void VlaActor::receive_plan(Clock::time_point end) {
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

void VlaActor::reset(std::uint64_t seed) {
  if (encoding_.valid()) encoding_.wait();
  if (plan_.valid()) plan_.wait();
  plan_ = {};  // of the episode before
  observations_.clear();
  schedule_.reset();
  past_commands_.clear();
  last_command_ = at::Tensor();
  plan_owed_ = false;
  is_asked_ = false;
  seed_ = seed;
  num_plans_ = 0;
  step_ = 0;
}

at::Tensor VlaActor::act(const Observation& observation) {
  const torch::NoGradGuard no_grad;
  observe(observation);
  // What was late and has come, then what is asked for, then what must be there by now.
  if (deadline_ && plan_is_due()) receive_plan(observed_);
  if (wants_plan()) start_plan();
  encode_ahead();
  return next_command();
}

at::Tensor VlaActor::command() {
  const torch::NoGradGuard no_grad;
  return next_command();
}

at::Tensor VlaActor::next_command() {
  const auto end = deadline_ ? observed_ + *deadline_ - reserve_of(*deadline_) : observed_;
  if (plan_is_due()) receive_plan(end);
  timing_.late = plan_is_due() || plan_owed_;
  timing_.held = !schedule_.covers(step_);
  if (!timing_.held) last_command_ = schedule_.command(step_);
  past_commands_.push_back(last_command_);
  while (std::ssize(past_commands_) > agent_.horizons().first_action()) past_commands_.pop_front();
  ++step_;
  return last_command_.clone();
}

}  // namespace roboimi::vla_agent
