// Runs a policy in an environment and says how it did.
//
//   RolloutSummary summary = run_rollouts(agent, environment, {.num_episodes = 10, .first_seed =
//   500});
//
// Episode i starts from seed first_seed + i; the policy's noise depends on that seed and the replan
// number alone, and it is computed on one thread, one observation at a time: how many threads train
// it or how many processes share the episodes changes no outcome. The agent's training mode and the
// number of threads are restored, and the default generator is not touched.
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
  std::filesystem::path output_folder = {};  // empty: nothing is written
  std::int64_t num_videos = 1;               // episodes recorded as MP4, the first ones
  // What is rolled out, in words, for summary.json: {"checkpoint": "runs/...", ...}.
  std::map<std::string, std::string> subject = {};
  // Called after every episode with the number that have ended.
  std::function<void(std::int64_t done)> progress = {};
  // Asked between steps; true ends the evaluation early with an Error.
  std::function<bool()> should_stop = {};
};

// Writes, under output_folder: summary.json, episodes.csv, and of each episode trajectory_000.csv
// (a row a state: the executed end-effector paths in meters, the robot's state). Where the
// environment has a scene also trajectory_000.png (the view of filming_camera() with the paths in
// red) and episode_000.mp4 of the same view.
ROBOIMI_EXPORT RolloutSummary run_rollouts(Agent& agent, Environment& environment,
                                           const RolloutOptions& options);

// The same with an episode in each of `environments` at a time. The plans that fall due in one
// control step are sampled as one batch, so chunks agree with those of run_rollouts() to 1e-5 in
// fp32. Nothing is computed beside the environments' steps.
ROBOIMI_EXPORT RolloutSummary
run_rollouts_together(Agent& agent, const std::vector<std::shared_ptr<Environment>>& environments,
                      const RolloutOptions& options);

// The same by several processes, each started with `worker_command` (the program's path first),
// which must reach serve_rollouts() with an equal policy, environment and options. Error: a worker
// failed, or should_stop.
ROBOIMI_EXPORT RolloutSummary
run_rollouts_in_workers(const std::vector<std::string>& worker_command, std::int64_t num_workers,
                        const RolloutOptions& options);

// A worker's side: rolls out the episodes whose numbers come on standard input, until that ends.
// An Error is told to the owner.
ROBOIMI_EXPORT void serve_rollouts(Agent& agent, Environment& environment,
                                   const RolloutOptions& options);

}  // namespace roboimi
