#include "roboimi/env/rollout.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "roboimi/common/error.h"
#include "roboimi/env/environment.h"
#include "roboimi/env/rollout_files.h"
#include "roboimi/model/agent.h"

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

// Puts the agent into evaluation mode, and every module back into the mode it had.
class EvaluationMode {
 public:
  explicit EvaluationMode(Agent& agent) : agent_(agent), agent_training_(agent.is_training()) {
    for (const auto& module : agent.modules(/*include_self=*/false)) {
      modes_.emplace_back(module, module->is_training());
    }
    agent.eval();
  }
  ~EvaluationMode() {
    // train() descends into children, so parents first and then the children's own modes.
    agent_.train(agent_training_);
    for (auto& [module, training] : modes_) module->train(training);
  }
  EvaluationMode(const EvaluationMode&) = delete;
  EvaluationMode& operator=(const EvaluationMode&) = delete;

 private:
  Agent& agent_;
  bool agent_training_;
  std::vector<std::pair<std::shared_ptr<torch::nn::Module>, bool>> modes_;
};

void check_fit(const Agent& agent, const Environment& environment) {
  const std::string difference = agent.spec().difference(environment.spec());
  if (difference.empty()) return;
  throw Error(
      {.what = "the policy does not fit the environment: " + difference,
       .where = "rollout",
       .expected = "the sizes and cameras of the training data",
       .next = "set env.camera_names and image sizes as they were when the data was collected"});
}

EpisodeOutcome run_episode(Agent& agent, Environment& environment, const RolloutOptions& options,
                           std::int64_t index, RolloutTimings& total) {
  EpisodeOutcome outcome;
  outcome.seed = options.first_seed + static_cast<std::uint64_t>(index);
  EpisodeRecorder recorder(options, environment, index);
  agent.reset(outcome.seed);
  environment.reset(outcome.seed, false);
  recorder.add_state();
  for (bool done = false; !done;) {
    if (options.should_stop && options.should_stop()) throw Error("the evaluation was interrupted");
    StopWatch watch;
    const Observation observation = environment.observe(agent.needs_images());
    const double obs_read_ms = watch.lap_ms();
    const at::Tensor action = agent.act(observation);
    const double act_ms = watch.lap_ms();
    const StepResult result = environment.step(action, false);
    const double env_step_ms = watch.lap_ms();
    total.obs_read_ms += obs_read_ms;
    total.preprocess_ms += agent.last_timing().preprocess_ms;
    total.inference_ms += agent.last_timing().inference_ms;
    total.env_step_ms += env_step_ms;
    total.loop_total_ms += obs_read_ms + act_ms + env_step_ms;

    outcome.highest_reward = std::max(outcome.highest_reward, result.reward);
    outcome.total_reward += result.reward;
    outcome.success = result.info.success;
    outcome.stable_success = result.info.stable_success;
    outcome.stage = result.info.stage;
    ++outcome.length;
    done = result.terminated || result.truncated;
    recorder.add_state();
  }
  recorder.close();
  return outcome;
}

void divide(RolloutTimings& timings, double steps) {
  for (double* value : {&timings.obs_read_ms, &timings.preprocess_ms, &timings.inference_ms,
                        &timings.env_step_ms, &timings.loop_total_ms}) {
    *value /= steps;
  }
}

double mean_of(const std::vector<EpisodeOutcome>& episodes,
               double (*value)(const EpisodeOutcome&)) {
  if (episodes.empty()) return 0.0;
  double sum = 0.0;
  for (const EpisodeOutcome& episode : episodes) sum += value(episode);
  return sum / static_cast<double>(episodes.size());
}

}  // namespace

RolloutSummary run_rollouts(Agent& agent, Environment& environment, const RolloutOptions& options) {
  check_fit(agent, environment);
  const EvaluationMode evaluation(agent);
  torch::NoGradGuard no_grad;
  RolloutSummary summary;
  std::int64_t steps = 0;
  for (std::int64_t i = 0; i < options.num_episodes; ++i) {
    summary.episodes.push_back(run_episode(agent, environment, options, i, summary.timings));
    steps += summary.episodes.back().length;
  }
  if (steps > 0) divide(summary.timings, static_cast<double>(steps));
  if (!options.output_folder.empty()) {
    write_rollout_tables(summary, environment, options.output_folder);
  }
  return summary;
}

double RolloutSummary::success_rate() const {
  return mean_of(episodes, [](const EpisodeOutcome& e) { return e.success ? 1.0 : 0.0; });
}

double RolloutSummary::mean_highest_reward() const {
  return mean_of(episodes, [](const EpisodeOutcome& e) { return e.highest_reward; });
}

std::string RolloutSummary::to_json() const {
  const auto successes = std::count_if(episodes.begin(), episodes.end(),
                                       [](const EpisodeOutcome& e) { return e.success; });
  const auto [low, high] = wilson_interval(successes, static_cast<std::int64_t>(episodes.size()));
  nlohmann::ordered_json json;
  json["num_episodes"] = episodes.size();
  json["success_rate"] = success_rate();
  json["success_interval_95"] = {low, high};
  json["stable_success_rate"] =
      mean_of(episodes, [](const EpisodeOutcome& e) { return e.stable_success ? 1.0 : 0.0; });
  json["mean_highest_reward"] = mean_highest_reward();
  json["mean_total_reward"] =
      mean_of(episodes, [](const EpisodeOutcome& e) { return e.total_reward; });
  json["timings"] = {{"obs_read_ms", timings.obs_read_ms},
                     {"preprocess_ms", timings.preprocess_ms},
                     {"inference_ms", timings.inference_ms},
                     {"env_step_ms", timings.env_step_ms},
                     {"loop_total_ms", timings.loop_total_ms}};
  for (const EpisodeOutcome& e : episodes) {
    json["episodes"].push_back({{"seed", e.seed},
                                {"success", e.success},
                                {"stable_success", e.stable_success},
                                {"highest_reward", e.highest_reward},
                                {"total_reward", e.total_reward},
                                {"stage", e.stage},
                                {"length", e.length}});
  }
  return json.dump(2) + "\n";
}

std::pair<double, double> wilson_interval(std::int64_t successes, std::int64_t trials) {
  if (trials == 0) return {0.0, 1.0};
  constexpr double kZ = 1.959963984540054;  // 97.5th percentile of the normal distribution
  const auto n = static_cast<double>(trials);
  const double p = static_cast<double>(successes) / n;
  const double denominator = 1 + kZ * kZ / n;
  const double centre = (p + kZ * kZ / (2 * n)) / denominator;
  const double half = kZ * std::sqrt(p * (1 - p) / n + kZ * kZ / (4 * n * n)) / denominator;
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

}  // namespace roboimi
