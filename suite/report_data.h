// The data of a report: what the suite's records and run folders contain for each run. Internal to
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
  std::string stage_name = {};  // the highest stage reached; empty: unknown
};

// The files of one episode of an evaluation.
struct EpisodeMedia {
  std::size_t episode = 0;  // index into RunData::episodes
  std::optional<std::filesystem::path> image = {}, video = {};
};

struct RunData {
  std::string name, group;
  std::int64_t seed = 0;  // of the training
  RunStatus status;
  nlohmann::ordered_json config;
  // "train/loss" -> (step, value)
  std::map<std::string, std::vector<std::pair<double, double>>> curves;
  std::string evaluation;       // folder of the evaluation or rollouts, or empty
  std::string evaluation_note;  // "100 episodes from seed 1000"
  std::string evaluated;        // 2026-01-31T12:00:00Z
  std::vector<EpisodeResult> episodes;
  std::map<std::string, double> timings;  // milliseconds per control step
  double mean_highest_reward = 0.0;
  std::vector<EpisodeMedia> media;  // of that evaluation, by episode
};

// The runs in the manifest's order. Their episodes are those of the run's newest plain evaluation:
// by `roboimi eval` without a control, overrides or --no-ema. The newest is the one written last,
// regardless of its number of episodes. Without one, they are those of the last rollouts.
ROBOIMI_EXPORT std::vector<RunData> read_runs(const std::filesystem::path& suite_folder);

// The groups' names, in the order of their first runs.
std::vector<std::string> groups_of(const std::vector<RunData>& runs);

}  // namespace roboimi
