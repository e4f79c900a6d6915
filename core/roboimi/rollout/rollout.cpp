#include "roboimi/rollout/rollout.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

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

// Adds the time since its last call to one of the timings.
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

// Empty where no scene names the stages.
std::string name_of_stage(Environment& environment, std::int64_t stage) {
  Scene* const scene = environment.scene();
  if (scene == nullptr) return "";
  const std::vector<std::string> names = scene->stage_names();
  return stage < std::ssize(names) ? names[static_cast<std::size_t>(stage)] : "";
}

EpisodeOutcome run_episode(Agent& agent, Environment& environment, const RolloutOptions& options,
                           std::int64_t index) {
  require_fit(agent.spec(), environment.spec());
  EpisodeOutcome outcome;
  outcome.seed = options.first_seed + static_cast<std::uint64_t>(index);
  RolloutTimings& total = outcome.timings;
  const double control_hz = environment.spec().control_hz;
  EpisodeRecorder recorder(options, environment, index);
  agent.reset(outcome.seed);
  recorder.add_state(environment.reset(outcome.seed, false).state);
  for (bool done = false; !done;) {
    if (options.should_stop && options.should_stop()) throw Error("the evaluation was interrupted");
    StopWatch watch;
    const Observation observation = environment.observe(agent.needs_images());
    const double obs_read_ms = watch.lap_ms();
    const at::Tensor action = agent.act(observation);
    const double act_ms = watch.lap_ms();
    const StepResult result = environment.step(action, false);
    const double env_step_ms = watch.lap_ms();
    const Agent::Timing timing = agent.last_timing();
    total.obs_read_ms += obs_read_ms;
    total.preprocess_ms += timing.preprocess_ms;
    total.inference_ms += timing.inference_ms;
    total.env_step_ms += env_step_ms;
    total.loop_total_ms += obs_read_ms + act_ms + env_step_ms;
    add_plan(
        outcome.plans, timing.plan_ms,
        control_hz > 0.0 ? 1e3 * static_cast<double>(agent.latency_steps()) / control_hz : 0.0);

    outcome.highest_reward = std::max(outcome.highest_reward, result.reward);
    outcome.total_reward += result.reward;
    outcome.success = result.info.success;
    outcome.stable_success = result.info.stable_success;
    outcome.stage = result.info.stage;
    ++outcome.length;
    done = result.terminated || result.truncated;
    recorder.add_state(result.observation.state);
  }
  recorder.close();
  outcome.stage_name = name_of_stage(environment, outcome.stage);
  return outcome;
}

}  // namespace

RolloutSummary run_rollouts(Agent& agent, Environment& environment, const RolloutOptions& options) {
  const EvaluationState evaluation(agent);
  RolloutSummary summary{.subject = options.subject};
  for (std::int64_t i = 0; i < options.num_episodes; ++i) {
    summary.episodes.push_back(run_episode(agent, environment, options, i));
    if (options.progress) options.progress(i + 1);
  }
  if (!options.output_folder.empty()) write_rollout_tables(summary, options.output_folder);
  return summary;
}

RolloutSummary run_rollouts_in_workers(const std::vector<std::string>& worker_command,
                                       std::int64_t num_workers, const RolloutOptions& options) {
  using namespace std::chrono_literals;
  RolloutSummary summary{.subject = options.subject};
  summary.episodes.resize(static_cast<std::size_t>(options.num_episodes));
  WorkerProcesses workers(worker_command, std::min(num_workers, options.num_episodes));
  std::int64_t next = 0, done = 0;
  const auto hand_out = [&](std::int64_t worker) {
    if (next < options.num_episodes) workers.send(worker, std::to_string(next++));
  };
  for (std::int64_t worker = 0; worker < workers.size(); ++worker) hand_out(worker);
  while (done < options.num_episodes) {
    if (options.should_stop && options.should_stop()) throw Error("the evaluation was interrupted");
    const auto reply = workers.receive(100ms);
    if (!reply) continue;
    const EpisodeOutcome outcome = EpisodeOutcome::from_json(reply->line);
    summary.episodes.at(static_cast<std::size_t>(outcome.seed - options.first_seed)) = outcome;
    hand_out(reply->worker);
    ++done;
    if (options.progress) options.progress(done);
  }
  if (!options.output_folder.empty()) write_rollout_tables(summary, options.output_folder);
  return summary;
}

void serve_rollouts(Agent& agent, Environment& environment, const RolloutOptions& options) {
  const EvaluationState evaluation(agent);
  serve_tasks([&](const std::string& task) {
    return run_episode(agent, environment, options, std::stoll(task)).to_json();
  });
}

}  // namespace roboimi
