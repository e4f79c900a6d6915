#include "suite/report_data.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <regex>
#include <tuple>

#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "suite/records.h"
#include "suite/run_progress.h"
#include "suite/target.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

void read_curves(const fs::path& metrics, RunData& run) {
  std::ifstream lines(metrics);
  for (std::string line; std::getline(lines, line);) {
    const Json row = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!row.is_object() || !row.contains("step") || !row["step"].is_number()) continue;
    const double step = row["step"];
    for (const auto& [key, value] : row.items()) {
      if (key.find('/') == std::string::npos || !value.is_number()) continue;
      run.curves[key].emplace_back(step, value.get<double>());
    }
  }
}

// A folder of episodes and the content of its summary.json.
struct Summary {
  fs::path folder;
  Json json;
  std::string written;  // 2026-01-31T12:00:00Z
  fs::file_time_type modified;
};

// Earlier versions did not write the time into the file, so its modification time is used.
std::string written_of(const Json& json, fs::file_time_type modified) {
  if (const auto stated = json.find("written"); stated != json.end() && stated->is_string()) {
    return *stated;
  }
  const auto time = std::chrono::file_clock::to_sys(modified);
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(
                         std::chrono::time_point_cast<std::chrono::system_clock::duration>(time))));
}

// The summaries below `parent`, sorted by folder name.
std::vector<Summary> summaries_in(const fs::path& parent) {
  std::vector<Summary> summaries;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(parent, error)) {
    const fs::path file = entry.path() / "summary.json";
    if (!fs::is_regular_file(file, error)) continue;
    Json json = Json::parse(std::ifstream(file), nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("episodes")) {
      logger().warn("{}: ignored, because it is not a summary of rollouts", file.string());
      continue;
    }
    const fs::file_time_type modified = fs::last_write_time(file, error);
    const std::string written = written_of(json, modified);
    summaries.push_back({entry.path(), std::move(json), written, modified});
  }
  std::sort(summaries.begin(), summaries.end(),
            [](const Summary& a, const Summary& b) { return a.folder < b.folder; });
  return summaries;
}

// Whether the evaluation is plain: without a control, overrides or --no-ema.
bool is_plain(const Summary& summary) {
  const auto subject = summary.json.find("subject");
  if (subject == summary.json.end() || !subject->is_object()) return true;
  return subject->value("control", "none") == "none" && subject->value("overrides", "").empty() &&
         subject->value("weights", "") != "last";
}

// If several were written at the same time, the one with the most episodes is the newest.
bool is_older(const Summary& a, const Summary& b) {
  const auto key = [](const Summary& summary) {
    return std::tuple(summary.written, summary.json["episodes"].size(), summary.modified);
  };
  return key(a) < key(b);
}

std::optional<Summary> evaluation_of(const fs::path& run_folder) {
  std::vector<Summary> evaluations = summaries_in(run_folder / "evaluations");
  std::erase_if(evaluations, [](const Summary& summary) { return !is_plain(summary); });
  if (!evaluations.empty()) {
    return *std::max_element(evaluations.begin(), evaluations.end(), is_older);
  }
  std::vector<Summary> rollouts = summaries_in(run_folder / "rollouts");
  if (rollouts.empty()) return std::nullopt;
  return std::move(rollouts.back());
}

// The files trajectory_NNN.png and episode_NNN.mp4 in the folder, by number.
std::vector<EpisodeMedia> media_in(const fs::path& folder) {
  std::map<std::size_t, EpisodeMedia> media;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    std::smatch match;
    static const std::regex kName("(trajectory_([0-9]{1,9})\\.png|episode_([0-9]{1,9})\\.mp4)");
    if (!std::regex_match(name, match, kName)) continue;
    const bool is_image = match[2].matched;
    const std::size_t episode = std::stoul(match[is_image ? 2 : 3]);
    (is_image ? media[episode].image : media[episode].video) = entry.path();
    media[episode].episode = episode;
  }
  std::vector<EpisodeMedia> list;
  for (auto& [episode, files] : media) list.push_back(std::move(files));
  return list;
}

// JSON has no NaN; the mean of an empty list is null.
double number_or(const Json& object, const char* key, double otherwise) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : otherwise;
}

// "100 episodes from seed 1000".
std::string note_of(const std::vector<EpisodeResult>& episodes) {
  std::string note = fmt::format("{} episodes", episodes.size());
  if (!episodes.empty()) {
    const auto first = std::min_element(
        episodes.begin(), episodes.end(),
        [](const EpisodeResult& a, const EpisodeResult& b) { return a.seed < b.seed; });
    note += fmt::format(" from seed {}", first->seed);
  }
  return note;
}

void read_evaluation(const Summary& evaluation, RunData& run) {
  const fs::path& folder = evaluation.folder;
  const Json& summary = evaluation.json;
  run.evaluation = folder.parent_path().filename().string() + "/" + folder.filename().string();
  try {
    for (const Json& episode : summary["episodes"]) {
      run.episodes.push_back({.seed = episode.at("seed"),
                              .success = episode.at("success"),
                              .stage_name = episode.value("stage_name", "")});
    }
  } catch (const nlohmann::json::exception& error) {
    throw Error({.what = std::string("invalid summary of rollouts: ") + error.what(),
                 .where = (folder / "summary.json").string(),
                 .next = "move the folder away; the report then uses an earlier one"});
  }
  run.evaluation_note = note_of(run.episodes);
  run.evaluated = evaluation.written;
  run.mean_highest_reward = number_or(summary, "mean_highest_reward", 0.0);
  const Json timings = summary.value("timings", Json::object());
  for (const auto& [key, value] : timings.items()) {
    if (value.is_number()) run.timings[key] = value;
  }
  if (const auto plans = summary.find("plans"); plans != summary.end() && plans->is_object()) {
    run.timings["chunk_ms"] = number_or(*plans, "mean_ms", 0.0);
  }
  run.media = media_in(folder);
}

}  // namespace

std::vector<RunData> read_runs(const fs::path& suite_folder) {
  const Json manifest = read_manifest(suite_folder);
  if (!manifest.contains("runs")) {
    throw Error({.what = "nothing was launched",
                 .where = suite_folder.string(),
                 .expected = "a manifest.json in the suite's folder",
                 .next = "start the runs with: roboimi suite launch"});
  }
  std::vector<RunStatus> rows = read_status(suite_folder);
  std::vector<RunData> runs;
  for (const Json& entry : manifest["runs"]) {
    RunData run{.name = entry.at("name"),
                .group = entry.at("group"),
                .seed = entry.value("seed", std::int64_t{0}),
                .config = entry.at("config")};
    if (const RunStatus* row = find_run(rows, run.name)) run.status = *row;
    const fs::path job =
        target_folder(suite_folder, entry.at("target")) / "jobs" / run.name / "runs";
    const fs::path folder = newest_folder(job);
    if (!folder.empty()) {
      read_curves(folder / "metrics.jsonl", run);
      if (const auto evaluation = evaluation_of(folder)) read_evaluation(*evaluation, run);
    }
    runs.push_back(std::move(run));
  }
  return runs;
}

std::vector<std::string> groups_of(const std::vector<RunData>& runs) {
  std::vector<std::string> groups;
  for (const RunData& run : runs) {
    if (std::find(groups.begin(), groups.end(), run.group) == groups.end()) {
      groups.push_back(run.group);
    }
  }
  return groups;
}

}  // namespace roboimi
