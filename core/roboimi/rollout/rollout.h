// Rollouts: runs a policy in an environment and reports the outcome of each episode.
//
//   RolloutSummary summary = run_rollouts(agent, environment, {.num_episodes = 10, .first_seed =
//   500});
//
// Episode i starts from seed first_seed + i. The policy's noise depends only on that seed and on
// the number of the plan, and the policy runs on one thread, one observation at a time. So outcomes
// do not depend on the number of training threads or rollout processes. The agent's training mode
// and the number of threads are restored, and the default generator is not used.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/rollout/rollout_summary.h"

namespace roboimi {

class Agent;
class Environment;

struct RolloutOptions {
  std::int64_t num_episodes = 10;
  std::uint64_t first_seed = 500;
  std::filesystem::path output_folder = {};  // empty: write nothing
  std::int64_t num_videos = 1;               // number of episodes, from the first, to record
  // Describes the policy in summary.json: {"checkpoint": "runs/...", ...}.
  std::map<std::string, std::string> subject = {};
  // Called after every episode with the number of finished episodes.
  std::function<void(std::int64_t done)> progress = {};
  // Called between steps; true ends the evaluation with Interrupted. With several threads, any of
  // them calls it, but only one at a time.
  std::function<bool()> should_stop = {};
  // Threads of run_rollouts_together() that simulate and render; their number changes no result.
  std::int64_t num_threads = 1;
};

// Runs the episodes one after another. Writes to output_folder: summary.json, episodes.csv, and for
// each episode trajectory_000.csv (one row per state: end-effector positions in meters, the robot's
// state). If the environment has a scene, also trajectory_000.png (the tools' paths over an image
// of the last state, with grasps and outcome) and episode_000.mp4 (an overview beside the policy's
// cameras, with seed, step, reward and outcome).
ROBOIMI_EXPORT RolloutSummary run_rollouts(Agent& agent, Environment& environment,
                                           const RolloutOptions& options);

// The same with one episode at a time in each of `environments`, which options.num_threads threads
// simulate and render. Each episode advances to its next plan; then the plans of all are sampled as
// one batch, so chunks agree with those of run_rollouts() to 1e-5 in fp32, apart from the rounding
// of features that the agent encodes in batches. Sampling and simulation do not overlap. The time
// of a chunk is that of its whole batch plus that of its own observation, so more chunks may count
// as late than on a single robot.
ROBOIMI_EXPORT RolloutSummary
run_rollouts_together(Agent& agent, const std::vector<std::shared_ptr<Environment>>& environments,
                      const RolloutOptions& options);

// The same with several processes. Each is started with `worker_command` (the program's path
// first), which must call serve_rollouts() with the same policy, environment and options. Throws
// Error if a worker failed, and Interrupted if should_stop returns true.
ROBOIMI_EXPORT RolloutSummary
run_rollouts_in_workers(const std::vector<std::string>& worker_command, std::int64_t num_workers,
                        const RolloutOptions& options);

// The worker's side: runs the episodes whose numbers it reads from standard input, until end of
// input. Sends an Error to the owner.
ROBOIMI_EXPORT void serve_rollouts(Agent& agent, Environment& environment,
                                   const RolloutOptions& options);

}  // namespace roboimi
