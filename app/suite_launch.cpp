// The commands `roboimi suite launch`, `stop` and `resume`.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <iostream>
#include <map>

#include "app/suite_command.h"
#include "app/suite_plan.h"
#include "app/suite_runs.h"
#include "roboimi/common/error.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/origin.h"
#include "roboimi/common/process_lock.h"
#include "roboimi/config/did_you_mean.h"
#include "roboimi/plugin/registry.h"
#include "suite/records.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// Locks the suite while runs are added to queues, so that only one process does so at a time.
ProcessLock launch_lock(const SuiteFile& suite) {
  auto lock = ProcessLock::try_take(suite.file.parent_path() / "work" / "launch.lock");
  if (lock) return std::move(*lock);
  throw Error({.what = "the suite is being launched, resumed or stopped by another process",
               .where = suite.file.string(),
               .next = "wait until it has finished, then see roboimi suite status"});
}

// Returns whether a launch may start the run: it is new, or its training never began. A lost run
// may still be in the queue of its former target and must not be started on another one.
bool is_fresh(const std::vector<RunStatus>& rows, const SuiteRun& run) {
  const RunStatus* row = find_run(rows, run.name);
  if (row == nullptr) return true;
  if (row->state == RunState::kLost && row->target != run.target) return false;
  return row->attempts == 0 && !row->is_active() && row->state != RunState::kFinished;
}

void check_run_names(const SuiteFile& suite, const std::vector<std::string>& names) {
  std::vector<std::string> known;
  for (const SuiteRun& run : suite.runs) known.push_back(run.name);
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    throw Error({.what = "no run '" + name + "' in the suite",
                 .where = suite.file.string(),
                 .next = did_you_mean(name, known)});
  }
}

// Adds the launch and its runs to manifest.json. Runs are in the order of the suite.
void record_launch(const SuiteFile& suite, const std::vector<PlannedRun>& planned,
                   const std::vector<std::string>& fresh, const Arguments& command) {
  Arguments words = {"roboimi", "suite"};
  words.insert(words.end(), command.begin(), command.end());
  const Json launch = launch_entry(suite.file.parent_path(), words);
  change_manifest(suite.file.parent_path(), [&](Json& manifest) {
    std::map<std::string, Json> former;
    for (const Json& run : manifest.value("runs", Json::array())) former[run.at("name")] = run;
    manifest["suite"] = suite.name;
    manifest["file"] = suite.file.string();
    manifest["file_sha256"] = sha256_file(suite.file);
    manifest["launches"].push_back(launch);
    manifest["runs"] = Json::array();
    for (const PlannedRun& run : planned) {
      const bool is_new = std::find(fresh.begin(), fresh.end(), run.run.name) != fresh.end();
      const auto known = former.find(run.run.name);
      if (is_new) {
        manifest["runs"].push_back(manifest_entry(run));
      } else if (known != former.end()) {
        manifest["runs"].push_back(known->second);
      }
      former.erase(run.run.name);
    }
    for (const auto& [name, run] : former) manifest["runs"].push_back(run);
  });
}

// Marks all runs of a target as failed if the launch did not reach it.
void record_failure(const fs::path& folder, const std::string& target,
                    const std::vector<LaunchJob>& jobs, const std::string& reason) {
  change_status(folder, [&](std::vector<RunStatus>& rows) {
    for (const LaunchJob& job : jobs) {
      if (find_run(rows, job.name) == nullptr) rows.push_back({.name = job.name, .target = target});
      RunStatus& row = *find_run(rows, job.name);
      row.state = RunState::kFailed;
      row.text = "not started: " + reason;
      row.last_update = time_now();
    }
  });
}

// Launches the jobs of each target. Returns the errors.
std::vector<std::string> launch_all(const SuiteFile& suite, const LaunchOrder& common,
                                    const std::map<std::string, std::vector<LaunchJob>>& jobs) {
  std::vector<std::string> failures;
  for (const auto& [target, of_target] : jobs) {
    try {
      LaunchOrder order = common;
      order.jobs = of_target;
      make_target(suite.targets.at(target), suite.file.parent_path())->launch(order);
    } catch (const Error& error) {
      const std::string reason = one_line_message(error);
      record_failure(suite.file.parent_path(), target, of_target, reason);
      failures.push_back("target " + target + ": " + reason);
    }
  }
  return failures;
}

// Calls `change` for each target with the names of its runs for which `wanted` is true. Returns the
// number of these runs.
template <typename Wanted, typename Change>
int change_runs(const SuiteFile& suite, const std::vector<std::string>& names, Wanted wanted,
                Change change) {
  // Group the runs by target.
  refresh_status(suite);
  std::map<std::string, std::vector<std::string>> by_target;
  int count = 0;
  for (const RunStatus& row : chosen_rows(read_status(suite.file.parent_path()), names)) {
    if (!wanted(row)) continue;
    by_target[row.target].push_back(row.name);
    ++count;
  }
  // Change them, and show the result.
  for (const auto& [target, runs] : by_target) {
    const auto spec = suite.targets.find(target);
    if (spec == suite.targets.end()) {
      throw Error({.what = "the suite no longer has a target '" + target + "'",
                   .where = suite.file.string(),
                   .next = "restore it: runs were launched on it"});
    }
    change(*make_target(spec->second, suite.file.parent_path()), runs);
  }
  for (const std::string& reason : refresh_status(suite)) spdlog::warn("{}", reason);
  std::cout << status_table(read_status(suite.file.parent_path()));
  return count;
}

}  // namespace

int suite_launch(const SuiteArguments& arguments) {
  // Check the suite and its runs.
  const SuiteFile suite = read_suite_file(suite_file_of(arguments.suite));
  check_run_names(suite, arguments.names);
  const auto plugin_paths = paths_of(arguments.values, "plugin-path");
  Registry::instance().load_search_path(plugin_paths);
  const auto planned = plan_runs(suite, paths_of(arguments.values, "config-dir"));

  // Collect the runs that have not begun.
  const ProcessLock lock = launch_lock(suite);
  const fs::path folder = suite.file.parent_path();
  for (const std::string& reason : refresh_status(suite)) spdlog::warn("{}", reason);
  const std::vector<RunStatus> rows = read_status(folder);
  std::map<std::string, std::vector<LaunchJob>> jobs;
  std::vector<std::string> fresh;
  for (const PlannedRun& run : planned) {
    const std::string& name = run.run.name;
    const bool is_selected =
        arguments.names.empty() ||
        std::find(arguments.names.begin(), arguments.names.end(), name) != arguments.names.end();
    if (!is_selected || !is_fresh(rows, run.run)) continue;
    fresh.push_back(name);
    jobs[run.run.target].push_back(
        {.name = name, .gpu = run.run.gpu, .config = run.composed.root, .files = run.files});
  }
  if (fresh.empty()) {
    spdlog::info(
        "nothing to start: every run has begun; to continue runs that were stopped, failed or "
        "lost: roboimi suite resume {}",
        arguments.suite);
    std::cout << status_table(rows);
    return EXIT_SUCCESS;
  }
  // Launch them.
  record_launch(suite, planned, fresh, arguments.command);
  const auto failures = launch_all(suite,
                                   {.directory = fs::current_path(),
                                    .plugin_paths = plugin_paths,
                                    .smoke_steps = arguments.values["smoke"].as<std::int64_t>(),
                                    .jobs = {}},
                                   jobs);
  refresh_status(suite);
  std::cout << status_table(read_status(folder));
  if (failures.empty()) return EXIT_SUCCESS;
  for (std::size_t i = 1; i < failures.size(); ++i) spdlog::error("{}", failures[i]);
  throw Error(failures[0]);
}

int suite_stop(const SuiteArguments& arguments) {
  const SuiteFile suite = read_suite_file(suite_file_of(arguments.suite));
  const ProcessLock lock = launch_lock(suite);
  const int count = change_runs(
      suite, arguments.names,
      [](const RunStatus& row) { return row.is_active() || row.state == RunState::kLost; },
      [](Target& target, const std::vector<std::string>& names) { target.stop(names); });
  if (count == 0) spdlog::info("nothing to stop");
  return EXIT_SUCCESS;
}

int suite_resume(const SuiteArguments& arguments) {
  const SuiteFile suite = read_suite_file(suite_file_of(arguments.suite));
  const ProcessLock lock = launch_lock(suite);
  const int count = change_runs(
      suite, arguments.names,
      [](const RunStatus& row) { return !row.is_active() && row.state != RunState::kFinished; },
      [](Target& target, const std::vector<std::string>& names) { target.resume(names); });
  if (count == 0) spdlog::info("nothing to resume");
  return EXIT_SUCCESS;
}

}  // namespace roboimi::app
