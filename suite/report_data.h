// What a report shows of each run, read from the suite's records and run folders. Internal to
// suite.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "suite/run_status.h"

namespace roboimi {

struct EpisodeResult {
  std::int64_t seed = 0;
  bool success = false;
};

struct RunData {
  std::string name, group;
  std::int64_t seed = 0;  // of the training
  RunStatus status;
  nlohmann::ordered_json config;
  // "train/loss" -> (step, value)
  std::map<std::string, std::vector<std::pair<double, double>>> curves;
  std::string evaluation;       // the rollouts or evaluation that the episodes are from, or empty
  std::string evaluation_note;  // "100 episodes from seed 1000, 2026-01-31T12:00:00Z"
  std::vector<EpisodeResult> episodes;
  std::map<std::string, double> timings;  // milliseconds of a control step
  double mean_highest_reward = 0.0;
  std::vector<std::filesystem::path> pictures, videos;  // of that evaluation
};

// In the manifest's order. The episodes are those of the run's newest unmodified evaluation: by
// `roboimi eval` without a control, overrides and --no-ema. The newest is the one that was written
// last, whatever its number of episodes. A run without one has the episodes of its last rollouts.
ROBOIMI_EXPORT std::vector<RunData> read_runs(const std::filesystem::path& suite_folder);

// The groups' names, in the order of their first runs.
std::vector<std::string> groups_of(const std::vector<RunData>& runs);

}  // namespace roboimi
