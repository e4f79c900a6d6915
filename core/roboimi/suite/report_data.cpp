#include "roboimi/suite/report_data.h"

#include <algorithm>
#include <fstream>

#include "roboimi/common/error.h"
#include "roboimi/suite/records.h"
#include "roboimi/suite/run_progress.h"
#include "roboimi/suite/target.h"

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

// The folders below `parent` with a summary, by name.
std::vector<fs::path> summaries_in(const fs::path& parent) {
  std::vector<fs::path> folders;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(parent, error)) {
    if (fs::exists(entry.path() / "summary.json")) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

// An evaluation against a control says nothing of the policy as it is.
bool is_control(const fs::path& folder) {
  const Json summary = Json::parse(std::ifstream(folder / "summary.json"), nullptr, false);
  if (!summary.is_object() || !summary.contains("subject")) return false;
  return summary["subject"].value("control", "none") != "none";
}

fs::path evaluation_of(const fs::path& run_folder) {
  std::vector<fs::path> evaluations = summaries_in(run_folder / "evaluations");
  std::erase_if(evaluations, is_control);
  if (!evaluations.empty()) return evaluations.back();
  const std::vector<fs::path> rollouts = summaries_in(run_folder / "rollouts");
  return rollouts.empty() ? fs::path() : rollouts.back();
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

void read_evaluation(const fs::path& folder, RunData& run) {
  const Json summary =
      Json::parse(std::ifstream(folder / "summary.json"), nullptr, /*allow_exceptions=*/false);
  if (!summary.is_object() || !summary.contains("episodes")) return;
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
      const fs::path evaluation = evaluation_of(folder);
      if (!evaluation.empty()) read_evaluation(evaluation, run);
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
