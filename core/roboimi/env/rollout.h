// Runs a policy in an environment and says how it did.
//
//   RolloutSummary summary = run_rollouts(agent, environment, {.num_episodes = 10, .first_seed =
//   500});
//
// Episode i starts from seed first_seed + i; the policy's noise depends on that seed and the replan
// number alone. The agent's training mode is restored, and the default generator is not touched.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

class Agent;
class Environment;

struct RolloutOptions {
  std::int64_t num_episodes = 10;
  std::uint64_t first_seed = 500;
  std::filesystem::path output_folder = {};  // empty: nothing is written
  std::int64_t num_videos = 1;               // episodes recorded as MP4, the first ones
  std::string video_camera = "front";
  // Asked between steps; true ends the evaluation early with an Error.
  std::function<bool()> should_stop = {};
};

// Mean milliseconds per control step.
struct RolloutTimings {
  double obs_read_ms = 0.0, preprocess_ms = 0.0, inference_ms = 0.0, env_step_ms = 0.0,
         loop_total_ms = 0.0;
};

struct EpisodeOutcome {
  std::uint64_t seed = 0;
  bool success = false;
  bool stable_success = false;
  double highest_reward = 0.0;
  double total_reward = 0.0;
  std::int64_t stage = 0;
  std::int64_t length = 0;  // control steps
};

struct RolloutSummary {
  std::vector<EpisodeOutcome> episodes;
  RolloutTimings timings;

  ROBOIMI_EXPORT double success_rate() const;
  ROBOIMI_EXPORT double mean_highest_reward() const;
  ROBOIMI_EXPORT std::string to_json() const;  // what summary.json holds
};

// Writes, under output_folder: summary.json, episodes.csv, trajectory_000.png (front view with the
// executed end-effector paths in red) and episode_000.mp4.
ROBOIMI_EXPORT RolloutSummary run_rollouts(Agent& agent, Environment& environment,
                                           const RolloutOptions& options);

// The Wilson score interval for a proportion at 95 %: {low, high}, each in [0, 1].
ROBOIMI_EXPORT std::pair<double, double> wilson_interval(std::int64_t successes,
                                                         std::int64_t trials);

}  // namespace roboimi
