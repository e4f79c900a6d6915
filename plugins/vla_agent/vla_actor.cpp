#include "plugins/vla_agent/vla_actor.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
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

// The part of the deadline that act() reserves for its work after waiting for a chunk.
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
      schedule_(agent.execution()),
      near_(agent.near_data()) {}

VlaActor::~VlaActor() = default;

std::int64_t VlaActor::latency_steps() const { return agent_.options().latency_steps; }

// Whether chunks are computed on the worker thread.
bool VlaActor::computes_in_background() const { return deadline_ || latency_steps() > 0; }

// ---- Observations -------------------------------------------------------------------------------

bool VlaActor::needs_images() const {
  // A plan uses the last obs_horizon observations, including that of its own step.
  return agent_.backbone() != nullptr &&
         (plan_pending_ || schedule_.next_plan(step_) - step_ < agent_.horizons().obs);
}

// The streams that encode() uses.
Observation VlaActor::used_streams(const Observation& observation) const {
  Observation used;
  const auto use = [&](const std::string& stream) {
    const auto found = observation.find(stream);
    // encode() reports missing streams.
    if (found != observation.end()) used[stream] = found->second;
  };
  std::ranges::for_each(agent_.input_names(), use);
  if (needs_images()) std::ranges::for_each(agent_.backbone()->stream_names(), use);
  return used;
}

void VlaActor::encode(VlaAgent& agent, const Steps& steps) {
  Steps raw;
  for (const auto& step : steps) {
    // The first observation of an episode is queued several times.
    const bool is_new = std::ranges::find(raw, step) == raw.end();
    if (!step->is_encoded && is_new) raw.push_back(step);
  }
  for (const bool with_images : {false, true}) {
    Steps alike;
    std::vector<const Observation*> observations;
    for (const auto& step : raw) {
      if (step->with_images != with_images) continue;
      alike.push_back(step);
      observations.push_back(&step->raw);
    }
    std::vector<EncodedObservation> encoded =
        agent.encode(observations, with_images, agent.largest_batch());
    for (std::size_t i = 0; i < alike.size(); ++i) {
      alike[i]->encoded = std::move(encoded[i]);
      alike[i]->raw = {};
      alike[i]->is_encoded = true;
    }
  }
}

// Whoever encodes the observation does so later, so it is copied.
void VlaActor::observe(const Observation& observation) {
  const std::shared_ptr<Step> step = begin_step(observation);
  for (auto& [stream, values] : step->raw) values = values.clone();
  queue(step);
}

// The streams of the observation that plans use, neither copied nor encoded.
std::shared_ptr<VlaActor::Step> VlaActor::begin_step(const Observation& observation) {
  agent_.require_statistics();
  agent_.check(observation);
  observed_ = Clock::now();
  reference_ = agent_.reference_of(observation);
  // No chunk came for the last plan_request(), so it is requested again.
  if (std::exchange(is_requested_, false)) plan_pending_ = true;
  auto step = std::make_shared<Step>();
  step->raw = used_streams(observation);
  step->with_images = needs_images();
  return step;
}

void VlaActor::queue(std::shared_ptr<Step> step) {
  // The first observation of an episode fills the queue.
  const auto horizon = static_cast<std::size_t>(agent_.horizons().obs);
  if (observations_.empty()) observations_.assign(horizon, step);
  observations_.pop_front();
  observations_.push_back(std::move(step));
  timing_ = {.preprocess_ms = milliseconds_since(observed_)};
  if (schedule_.plans_at(step_)) plan_pending_ = true;
}

// While the worker is idle, encodes images that a later plan will use. The plan encodes the rest.
void VlaActor::encode_ahead() {
  if (!computes_in_background() || plan_.valid() || is_running(encoding_)) return;
  if (const auto& step = observations_.back(); step->with_images) {
    encoding_ = worker_.run([this, step] { encode(agent_, {step}); });
  }
}

// ---- Plans --------------------------------------------------------------------------------------

// Whether all queued observations have images. False for some steps after a failed plan, whose
// replacement needs images that had not been requested.
bool VlaActor::has_all_images() const {
  return agent_.backbone() == nullptr ||
         std::ranges::all_of(observations_, [](const auto& step) { return step->with_images; });
}

bool VlaActor::wants_plan() const {
  return plan_pending_ && !plan_.valid() && !is_requested_ && has_all_images();
}

// The commands that the next chunk cannot change: those sent at its rows before the current step,
// and those planned until it arrives, before any limits. Undefined if they are not known or the
// head does not use them.
at::Tensor VlaActor::committed_prefix() const {
  const std::int64_t past = agent_.horizons().first_action(), coming = latency_steps();
  const bool is_known =
      std::ssize(past_commands_) == past && (coming == 0 || schedule_.covers(step_ + coming - 1));
  if (!agent_.head().continues_prefix() || past + coming == 0 || !is_known) return {};
  std::vector<at::Tensor> commands(past_commands_.begin(), past_commands_.end());
  for (std::int64_t ahead = 0; ahead < coming; ++ahead) {
    commands.push_back(agent_.commands_of(schedule_.planned(step_ + ahead), near_));
  }
  return agent_.normalize_actions(at::stack(commands), reference_);
}

PlanRequest VlaActor::request_of(const Steps& steps, at::Generator noise,
                                 const at::Tensor& prefix) {
  // One at a time: a batch would depend on which steps the worker thread has encoded already.
  std::vector<EncodedObservation> encoded;
  for (const auto& step : steps) {
    encode(agent_, {step});
    encoded.push_back(step->encoded);
  }
  return {.condition = agent_.condition_of(encoded), .noise = std::move(noise), .prefix = prefix};
}

VlaActor::Steps VlaActor::steps_of_plan() {
  if (encoding_.valid()) encoding_.wait();
  return {observations_.begin(), observations_.end()};
}

// Makes the current step the one that the plan in progress belongs to.
void VlaActor::begin_plan() {
  plan_step_ = step_;
  planned_ = observed_;
  planned_reference_ = reference_;
  plan_pending_ = false;
  ++num_plans_;
}

PlanRequest VlaActor::plan_request() {
  ROBOIMI_CHECK(wants_plan(), "plan_request() where no plan is wanted");
  const torch::NoGradGuard no_grad;
  PlanRequest request =
      request_of(steps_of_plan(), make_generator(mix_seed(seed_, num_plans_), agent_.device()),
                 committed_prefix());
  begin_plan();
  is_requested_ = true;
  return request;
}

void VlaActor::accept(const at::Tensor& chunk) {
  if (!is_requested_) return Actor::accept(chunk);
  check_chunk(agent_.execution(), chunk, agent_.head().name());
  std::promise<Plan> plan;
  const double elapsed = milliseconds_since(planned_);
  plan.set_value(
      {.actions = agent_.unnormalize(chunk, planned_reference_), .milliseconds = elapsed});
  plan_ = plan.get_future();
  is_requested_ = false;
  timing_.inference_ms += elapsed - timing_.preprocess_ms;
}

void VlaActor::start_plan() {
  Steps steps(observations_.begin(), observations_.end());
  at::Generator noise = make_generator(mix_seed(seed_, num_plans_), agent_.device());
  auto compute = [this, steps = std::move(steps), noise = std::move(noise),
                  prefix = committed_prefix(), reference = reference_, seen = observed_] {
    const torch::NoGradGuard no_grad;  // per thread
    const at::Tensor chunk = agent_.sample_plans({request_of(steps, noise, prefix)})[0];
    const at::Tensor actions = agent_.unnormalize(chunk, reference);
    return Plan{.actions = actions, .milliseconds = milliseconds_since(seen)};
  };
  begin_plan();
  plan_ = computes_in_background() ? worker_.run(std::move(compute))
                                   : std::async(std::launch::deferred, std::move(compute));
}

// A chunk is due from its arrival on, or earlier if no commands are left.
bool VlaActor::plan_is_due() const {
  return plan_.valid() && (step_ >= schedule_.arrival(plan_step_) || !schedule_.covers(step_));
}

// Waits for the chunk that is due: until `end` if there is a deadline and a command to hold,
// otherwise without a limit.
void VlaActor::receive_plan(Clock::time_point end) {
  const auto start = Clock::now();
  const bool waits_forever = !deadline_ || !last_command_.defined();
  if (waits_forever || plan_.wait_until(end) == std::future_status::ready) {
    // If get() throws, the plan stays pending.
    const bool was_pending = std::exchange(plan_pending_, true);
    const Plan plan = plan_.get();
    plan_pending_ = was_pending;
    schedule_.add(plan_step_, plan.actions);
    timing_.plan_ms = plan.milliseconds;
  }
  timing_.inference_ms += milliseconds_since(start);
}

// ---- Acting -------------------------------------------------------------------------------------

void VlaActor::reset(std::uint64_t seed) {
  if (encoding_.valid()) encoding_.wait();
  if (plan_.valid()) plan_.wait();
  plan_ = {};  // of the previous episode
  observations_.clear();
  schedule_.reset();
  near_ = agent_.near_data();
  past_commands_.clear();
  last_command_ = at::Tensor();
  plan_pending_ = false;
  is_requested_ = false;
  seed_ = seed;
  num_plans_ = 0;
  step_ = 0;
}

at::Tensor VlaActor::act(const Observation& observation) {
  const torch::NoGradGuard no_grad;
  if (computes_in_background()) {
    observe(observation);
  } else {
    const std::shared_ptr<Step> step = begin_step(observation);
    encode(agent_, {step});
    queue(step);
  }
  // Takes a late chunk that has arrived, starts the next plan, then takes the chunk that is due
  // now.
  if (deadline_ && plan_is_due()) receive_plan(observed_);
  if (wants_plan()) start_plan();
  encode_ahead();
  return next_command();
}

void VlaActor::replace_command(const at::Tensor& sent) {
  if (!last_command_.defined() || sent.sizes() != last_command_.sizes()) {
    throw Error(
        {.what = "there is no command to replace, or it has a different size",
         .where = "vla_agent",
         .expected = fmt::format("after act() or command(), float [{}]", agent_.spec().action_dim),
         .found = c10::str(sent.sizes())});
  }
  agent_.check_rows("action", sent);
  last_command_ = sent.to(at::kCPU, at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  if (!past_commands_.empty()) past_commands_.back() = last_command_;
}

at::Tensor VlaActor::command() {
  const torch::NoGradGuard no_grad;
  return next_command();
}

at::Tensor VlaActor::next_command() {
  const auto end = deadline_ ? observed_ + *deadline_ - reserve_of(*deadline_) : observed_;
  if (plan_is_due()) receive_plan(end);
  timing_.late = plan_is_due() || plan_pending_;
  timing_.held = !schedule_.covers(step_);
  if (!timing_.held) {
    last_command_ = agent_.commands_of(schedule_.command(step_), near_);
  } else if (!last_command_.defined()) {
    throw Error({.what = "the actor has no command yet",
                 .where = "vla_agent",
                 .next = "call act() or accept() once before command()"});
  }
  past_commands_.push_back(last_command_);
  while (std::ssize(past_commands_) > agent_.horizons().first_action()) past_commands_.pop_front();
  ++step_;
  return last_command_.clone();
}

}  // namespace roboimi::vla_agent
