#include "suite/report_data.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>
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

// A folder of episodes, and what its summary.json says.
struct Summary {
  fs::path folder;
  Json json;
  std::string written;  // 2026-01-31T12:00:00Z
  fs::file_time_type modified;
};

// Earlier versions did not write the time into the file.
std::string written_of(const Json& json, fs::file_time_type modified) {
  if (const auto stated = json.find("written"); stated != json.end() && stated->is_string()) {
    return *stated;
  }
  const auto time = std::chrono::file_clock::to_sys(modified);
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(
                         std::chrono::time_point_cast<std::chrono::system_clock::duration>(time))));
}

// The summaries below `parent`, by the names of their folders.
std::vector<Summary> summaries_in(const fs::path& parent) {
  std::vector<Summary> summaries;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(parent, error)) {
    const fs::path file = entry.path() / "summary.json";
    if (!fs::is_regular_file(file, error)) continue;
    Json json = Json::parse(std::ifstream(file), nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("episodes")) {
      logger().warn("{}: not a summary of rollouts, passed over", file.string());
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

// Whether it shows the policy as it is: with a control, with overrides or without the averaged
// weights it says nothing of that.
bool is_unmodified(const Summary& summary) {
  const auto subject = summary.json.find("subject");
  if (subject == summary.json.end() || !subject->is_object()) return true;
  return subject->value("control", "none") == "none" && subject->value("overrides", "").empty() &&
         subject->value("weights", "") != "last";
}

// Of several written at the same time, the one with the most episodes.
bool is_older(const Summary& a, const Summary& b) {
  const auto key = [](const Summary& summary) {
    return std::tuple(summary.written, summary.json["episodes"].size(), summary.modified);
  };
  return key(a) < key(b);
}

std::optional<Summary> evaluation_of(const fs::path& run_folder) {
  std::vector<Summary> evaluations = summaries_in(run_folder / "evaluations");
  std::erase_if(evaluations, [](const Summary& summary) { return !is_unmodified(summary); });
  if (!evaluations.empty()) {
    return *std::max_element(evaluations.begin(), evaluations.end(), is_older);
  }
  std::vector<Summary> rollouts = summaries_in(run_folder / "rollouts");
  if (rollouts.empty()) return std::nullopt;
  return std::move(rollouts.back());
}

std::vector<fs::path> files_of(const fs::path& folder, const std::string& ending) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ending) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// JSON has no NaN: a mean of nothing is null there.
double number_or(const Json& object, const char* key, double otherwise) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : otherwise;
}

// "100 episodes from seed 1000, 2026-01-31T12:00:00Z".
std::string note_of(const Summary& summary, const std::vector<EpisodeResult>& episodes) {
  std::string note = fmt::format("{} episodes", episodes.size());
  if (!episodes.empty()) {
    const auto first = std::min_element(
        episodes.begin(), episodes.end(),
        [](const EpisodeResult& a, const EpisodeResult& b) { return a.seed < b.seed; });
    note += fmt::format(" from seed {}", first->seed);
  }
  return note + ", " + summary.written;
}

void read_evaluation(const Summary& evaluation, RunData& run) {
  const fs::path& folder = evaluation.folder;
  const Json& summary = evaluation.json;
  run.evaluation = folder.parent_path().filename().string() + "/" + folder.filename().string();
  try {
    for (const Json& episode : summary["episodes"]) {
      run.episodes.push_back({episode.at("seed"), episode.at("success")});
    }
  } catch (const nlohmann::json::exception& error) {
    throw Error({.what = std::string("not a summary of rollouts: ") + error.what(),
                 .where = (folder / "summary.json").string(),
                 .next = "move that folder away: the report then shows an earlier one"});
  }
  run.evaluation_note = note_of(evaluation, run.episodes);
  run.mean_highest_reward = number_or(summary, "mean_highest_reward", 0.0);
  const Json timings = summary.value("timings", Json::object());
  for (const auto& [key, value] : timings.items()) {
    if (value.is_number()) run.timings[key] = value;
  }
  if (const auto plans = summary.find("plans"); plans != summary.end() && plans->is_object()) {
    run.timings["chunk_ms"] = number_or(*plans, "mean_ms", 0.0);
  }
  run.pictures = files_of(folder, ".png");
  run.videos = files_of(folder, ".mp4");
}

}  // namespace

std::vector<RunData> read_runs(const fs::path& suite_folder) {
  const Json manifest = read_manifest(suite_folder);
  if (!manifest.contains("runs")) {
    throw Error({.what = "nothing was launched",
                 .where = suite_folder.string(),
                 .expected = "its manifest.json",
                 .next = "roboimi suite launch makes it"});
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
