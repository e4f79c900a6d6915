#include "roboimi/rollout/rollout.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/common/worker_processes.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/environment.h"
#include "roboimi/contract/scene.h"
#include "roboimi/rollout/evaluation_state.h"
#include "roboimi/rollout/fit.h"
#include "roboimi/rollout/rollout_files.h"

namespace roboimi {
namespace {

using Clock = std::chrono::steady_clock;

// lap_ms() returns the milliseconds since the previous call.
class StopWatch {
 public:
  double lap_ms() {
    const auto now = Clock::now();
    const double elapsed = std::chrono::duration<double, std::milli>(now - last_).count();
    last_ = now;
    return elapsed;
  }

 private:
  Clock::time_point last_ = Clock::now();
};

void add_plan(PlanTimings& plans, double plan_ms, double granted_ms) {
  if (plan_ms <= 0.0) return;
  ++plans.count;
  plans.total_ms += plan_ms;
  plans.max_ms = std::max(plans.max_ms, plan_ms);
  plans.late += granted_ms > 0.0 && plan_ms > granted_ms ? 1 : 0;
}

// A running episode: an actor in its environment. A control step is either act(), or see(), then
// planned() if the actor got a plan, then move().
class Episode {
 public:
  Episode(Actor& actor, Environment& environment, const RolloutOptions& options, std::int64_t index)
      : actor_(actor),
        environment_(environment),
        recorder_(options, environment, index),
        granted_ms_(granted(actor, environment.spec().control_hz)) {
    outcome_.seed = options.first_seed + static_cast<std::uint64_t>(index);
    actor_.reset(outcome_.seed);
    recorder_.start(environment_.reset(outcome_.seed, false).state());
  }

  void act() {
    const Observation observation = look();
    move_by([&] { return actor_.act(observation); });
  }
  void see() {
    const Observation observation = look();
    StopWatch watch;
    actor_.observe(observation);
    seeing_ms_ = watch.lap_ms();
    outcome_.timings.loop_total_ms += seeing_ms_;
  }
  PlanRequest plan_request() {
    StopWatch watch;
    PlanRequest request = actor_.plan_request();
    requesting_ms_ = watch.lap_ms();
    return request;
  }
  // `batch_ms`: the time in which the actor's plan was sampled, as one of a batch. An actor cannot
  // tell this time from that of the other episodes, so its own measurement is not used.
  void planned(double batch_ms) {
    plans_in_batches_ = true;
    const double inference_ms = requesting_ms_ + batch_ms;
    outcome_.timings.inference_ms += inference_ms;
    outcome_.timings.loop_total_ms += inference_ms;
    add_plan(outcome_.plans, seeing_ms_ + inference_ms, granted_ms_);
  }
  void move() {
    move_by([&] { return actor_.command(); });
  }
  Actor& actor() { return actor_; }
  bool is_over() const { return is_over_; }

  EpisodeOutcome finish() {
    recorder_.close();
    outcome_.stage_name = name_of_stage(environment_.scene(), outcome_.stage);
    return outcome_;
  }

 private:
  static double granted(const Actor& actor, double control_hz) {
    return control_hz > 0.0 ? 1e3 * static_cast<double>(actor.latency_steps()) / control_hz : 0.0;
  }

  Observation look() {
    StopWatch watch;
    Observation observation = environment_.observe(actor_.needs_images());
    const double elapsed = watch.lap_ms();
    outcome_.timings.obs_read_ms += elapsed;
    outcome_.timings.loop_total_ms += elapsed;
    recorder_.film(observation);
    return observation;
  }

  template <typename Command>
  void move_by(Command command) {
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

  void add(const StepResult& result) {
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

  Actor& actor_;
  Environment& environment_;
  EpisodeOutcome outcome_;
  EpisodeRecorder recorder_;
  double granted_ms_;
  double seeing_ms_ = 0.0, requesting_ms_ = 0.0;  // of the last observation and plan request
  bool plans_in_batches_ = false;
  bool is_over_ = false;
};

std::unique_ptr<Actor> actor_for(Agent& agent, const Environment& environment) {
  require_fit(agent, environment.spec());
  return require_actor(agent, {}, agent.name());
}

EpisodeOutcome run_episode(Actor& actor, Environment& environment, const RolloutOptions& options,
                           std::int64_t index) {
  Episode episode(actor, environment, options, index);
  while (!episode.is_over()) {
    end_if_interrupted(options.should_stop);
    episode.act();
  }
  return episode.finish();
}

// One control step of several episodes. Their plans are sampled as one batch.
void step_together(Agent& agent, const std::vector<Episode*>& episodes) {
  // See, and collect the requests.
  std::vector<Episode*> planning;
  std::vector<PlanRequest> requests;
  for (Episode* episode : episodes) {
    episode->see();
    if (!episode->actor().wants_plan()) continue;
    planning.push_back(episode);
    requests.push_back(episode->plan_request());
  }
  // Sample the plans. On a GPU they are computed only once accept() has copied them.
  if (!requests.empty()) {
    StopWatch watch;
    const at::Tensor chunks = agent.sample_plans(requests);
    for (std::size_t i = 0; i < planning.size(); ++i) {
      planning[i]->actor().accept(chunks[static_cast<std::int64_t>(i)]);
    }
    const double batch_ms = watch.lap_ms();
    for (Episode* episode : planning) episode->planned(batch_ms);
  }
  for (Episode* episode : episodes) episode->move();
}

// The outcomes so far. They may arrive in any order.
class Outcomes {
 public:
  explicit Outcomes(const RolloutOptions& options)
      : options_(options), summary_{.subject = options.subject} {
    summary_.episodes.resize(static_cast<std::size_t>(options.num_episodes));
  }
  void add(const EpisodeOutcome& outcome) {
    const auto index = static_cast<std::size_t>(outcome.seed - options_.first_seed);
    summary_.episodes.at(index) = outcome;
    ++done_;
    if (options_.progress) options_.progress(done_);
  }
  bool are_complete() const { return done_ >= options_.num_episodes; }
  // Also writes the tables if there is an output folder.
  RolloutSummary summarize() const {
    if (!options_.output_folder.empty()) write_rollout_tables(summary_, options_.output_folder);
    return summary_;
  }

 private:
  const RolloutOptions& options_;
  RolloutSummary summary_;
  std::int64_t done_ = 0;
};

}  // namespace

RolloutSummary run_rollouts(Agent& agent, Environment& environment, const RolloutOptions& options) {
  const EvaluationState evaluation(agent);
  const std::unique_ptr<Actor> actor = actor_for(agent, environment);
  Outcomes outcomes(options);
  for (std::int64_t i = 0; i < options.num_episodes; ++i) {
    outcomes.add(run_episode(*actor, environment, options, i));
  }
  return outcomes.summarize();
}

RolloutSummary run_rollouts_together(Agent& agent,
                                     const std::vector<std::shared_ptr<Environment>>& environments,
                                     const RolloutOptions& options) {
  const EvaluationState evaluation(agent);
  std::vector<std::unique_ptr<Actor>> actors;
  for (const auto& environment : environments) actors.push_back(actor_for(agent, *environment));
  std::vector<std::unique_ptr<Episode>> places(environments.size());
  Outcomes outcomes(options);
  std::int64_t next = 0;
  while (!outcomes.are_complete()) {
    end_if_interrupted(options.should_stop);
    std::vector<Episode*> running;
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (!places[i] && next < options.num_episodes) {
        places[i] = std::make_unique<Episode>(*actors[i], *environments[i], options, next++);
      }
      if (places[i]) running.push_back(places[i].get());
    }
    step_together(agent, running);
    for (auto& place : places) {
      if (!place || !place->is_over()) continue;
      const EpisodeOutcome outcome = place->finish();
      place.reset();
      outcomes.add(outcome);
    }
  }
  return outcomes.summarize();
}

RolloutSummary run_rollouts_in_workers(const std::vector<std::string>& worker_command,
                                       std::int64_t num_workers, const RolloutOptions& options) {
  using namespace std::chrono_literals;
  Outcomes outcomes(options);
  WorkerProcesses workers(worker_command, std::min(num_workers, options.num_episodes));
  std::int64_t next = 0;
  const auto hand_out = [&](std::int64_t worker) {
    if (next < options.num_episodes) workers.send(worker, std::to_string(next++));
  };
  try {
    for (std::int64_t worker = 0; worker < workers.size(); ++worker) hand_out(worker);
    while (!outcomes.are_complete()) {
      end_if_interrupted(options.should_stop);
      const auto reply = workers.receive(100ms);
      if (!reply) continue;
      const EpisodeOutcome outcome = EpisodeOutcome::from_json(reply->line);
      hand_out(reply->worker);
      outcomes.add(outcome);
    }
  } catch (const WorkerEnded& error) {
    if (error.follows_request(options.should_stop)) end_if_interrupted(options.should_stop);
    throw;
  }
  return outcomes.summarize();
}

void serve_rollouts(Agent& agent, Environment& environment, const RolloutOptions& options) {
  const EvaluationState evaluation(agent);
  const std::unique_ptr<Actor> actor = actor_for(agent, environment);
  serve_tasks([&](const std::string& task) {
    return run_episode(*actor, environment, options, std::stoll(task)).to_json();
  });
}

}  // namespace roboimi
