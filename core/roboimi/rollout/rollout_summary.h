// The outcomes of rollouts: one per episode, and statistics computed from them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

// Milliseconds: the total of an episode, or the mean of a control step. For episodes that run
// together, inference_ms counts a batch of chunks for each of them, with the encoding of its
// images.
struct RolloutTimings {
  double obs_read_ms = 0.0, preprocess_ms = 0.0, inference_ms = 0.0, env_step_ms = 0.0,
         loop_total_ms = 0.0;
};

// The chunks that a policy computed. A chunk is late if it took longer than the policy's
// latency_steps allow. With zero latency_steps the simulator waits, and no chunk is late. For
// episodes that run together, the time of a chunk includes that of its whole batch.
struct PlanTimings {
  std::int64_t count = 0, late = 0;
  double total_ms = 0.0, max_ms = 0.0;
};

struct EpisodeOutcome {
  std::uint64_t seed = 0;
  bool success = false;
  bool stable_success = false;
  double highest_reward = 0.0;
  double total_reward = 0.0;
  std::int64_t stage = 0;
  std::string stage_name = {};  // empty without a scene
  std::int64_t length = 0;      // control steps
  RolloutTimings timings = {};  // totals
  PlanTimings plans = {};

  // One line, which from_json() converts back without loss, except that a reward that is not finite
  // becomes NaN. from_json() throws Error if the line is not one of these.
  ROBOIMI_EXPORT std::string to_json() const;
  ROBOIMI_EXPORT static EpisodeOutcome from_json(const std::string& line);
};

struct RolloutSummary {
  std::vector<EpisodeOutcome> episodes;             // ordered by seed
  std::map<std::string, std::string> subject = {};  // description of the policy

  ROBOIMI_EXPORT std::int64_t num_successes() const;
  ROBOIMI_EXPORT std::int64_t num_stable_successes() const;
  ROBOIMI_EXPORT double success_rate() const;
  ROBOIMI_EXPORT double mean_highest_reward() const;
  ROBOIMI_EXPORT RolloutTimings timings() const;  // means of a control step
  ROBOIMI_EXPORT PlanTimings plans() const;
  ROBOIMI_EXPORT std::string to_json() const;  // the content of summary.json
};

// Writes summary.json and episodes.csv.
ROBOIMI_EXPORT void write_rollout_tables(const RolloutSummary& summary,
                                         const std::filesystem::path& folder);

// The 95 % Wilson score interval of a proportion: {low, high}, each in [0, 1].
ROBOIMI_EXPORT std::pair<double, double> wilson_interval(std::int64_t successes,
                                                         std::int64_t trials);

}  // namespace roboimi
