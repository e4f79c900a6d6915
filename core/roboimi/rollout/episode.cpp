#include "roboimi/rollout/episode.h"

#include <algorithm>

namespace roboimi {
namespace {

double granted_ms(const Actor& actor, double control_hz) {
  return control_hz > 0.0 ? 1e3 * static_cast<double>(actor.latency_steps()) / control_hz : 0.0;
}

void add_plan(PlanTimings& plans, double plan_ms, double granted_ms) {
  if (plan_ms <= 0.0) return;
  ++plans.count;
  plans.total_ms += plan_ms;
  plans.max_ms = std::max(plans.max_ms, plan_ms);
  plans.late += granted_ms > 0.0 && plan_ms > granted_ms ? 1 : 0;
}

}  // namespace

Episode::Episode(Actor& actor, Environment& environment, const RolloutOptions& options,
                 std::int64_t index)
    : actor_(actor),
      environment_(environment),
      recorder_(options, environment, index),
      granted_ms_(granted_ms(actor, environment.spec().control_hz)) {
  outcome_.seed = options.first_seed + static_cast<std::uint64_t>(index);
  actor_.reset(outcome_.seed);
  recorder_.start(environment_.reset(outcome_.seed, false).state());
}

void Episode::act() {
  const Observation observation = look();
  move_by([&] { return actor_.act(observation); });
}

bool Episode::advance(const std::function<void()>& between_steps) {
  const auto command = [this] { return actor_.command(); };
  if (waits_for_plan_) move_by(command);
  waits_for_plan_ = false;
  while (!is_over_) {
    between_steps();
    see();
    waits_for_plan_ = actor_.wants_plan();
    if (waits_for_plan_) return true;
    move_by(command);
  }
  return false;
}

void Episode::planned(double batch_ms) {
  plans_in_batches_ = true;
  outcome_.timings.inference_ms += batch_ms;
  outcome_.timings.loop_total_ms += batch_ms;
  add_plan(outcome_.plans, seeing_ms_ + batch_ms, granted_ms_);
}

EpisodeOutcome Episode::finish() {
  recorder_.close();
  outcome_.stage_name = name_of_stage(environment_.scene(), outcome_.stage);
  return outcome_;
}

Observation Episode::look() {
  StopWatch watch;
  Observation observation = environment_.observe(actor_.needs_images());
  const double elapsed = watch.lap_ms();
  outcome_.timings.obs_read_ms += elapsed;
  outcome_.timings.loop_total_ms += elapsed;
  recorder_.film(observation);
  return observation;
}

void Episode::see() {
  const Observation observation = look();
  StopWatch watch;
  actor_.observe(observation);
  seeing_ms_ = watch.lap_ms();
  outcome_.timings.loop_total_ms += seeing_ms_;
}

void Episode::move_by(const std::function<at::Tensor()>& command) {
  StopWatch watch;
  const at::Tensor action = command();
  const double command_ms = watch.lap_ms();
  const StepResult result = environment_.step(action, false);
  const double env_step_ms = watch.lap_ms();
  const ActTiming timing = actor_.last_timing();
  outcome_.timings.preprocess_ms += timing.preprocess_ms;
  outcome_.timings.env_step_ms += env_step_ms;
  outcome_.timings.loop_total_ms += command_ms + env_step_ms;
  if (!plans_in_batches_) {
    outcome_.timings.inference_ms += timing.inference_ms;
    add_plan(outcome_.plans, timing.plan_ms, granted_ms_);
  }
  add(result);
}

void Episode::add(const StepResult& result) {
  outcome_.highest_reward =
      outcome_.length == 0 ? result.reward : std::max(outcome_.highest_reward, result.reward);
  outcome_.total_reward += result.reward;
  outcome_.success = result.info.success;
  outcome_.stable_success = result.info.stable_success;
  outcome_.stage = result.info.stage;
  ++outcome_.length;
  is_over_ = result.terminated || result.truncated;
  recorder_.add(result);
}

}  // namespace roboimi
