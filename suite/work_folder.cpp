#include "suite/work_folder.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/json_text.h"
#include "roboimi/common/origin.h"
#include "roboimi/common/process_lock.h"
#include "roboimi/train/run_folder.h"
#include "suite/run_progress.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

Json optional_json(const std::optional<std::int64_t>& value) {
  return value ? Json(*value) : Json();
}

std::optional<std::int64_t> optional_from(const Json& json) {
  return json.is_null() ? std::nullopt : std::optional(json.get<std::int64_t>());
}

WorkQueue queue_from(const Json& json) {
  WorkQueue queue{.target = json.at("target"),
                  .suite_folder = json.at("suite_folder"),
                  .directory = json.at("directory"),
                  .program = json.at("program"),
                  .options = json.at("options"),
                  .slots = {},
                  .jobs = {}};
  for (const Json& slot : json.at("slots")) {
    queue.slots.push_back({slot.at("name"), optional_from(slot.at("gpu"))});
  }
  for (const Json& job : json.at("jobs")) {
    queue.jobs.push_back({job.at("name"), optional_from(job.at("gpu")), job.at("max_steps"),
                          job.value("smoke", false)});
  }
  return queue;
}

// If the folder already has a supervisor, the new one finds the lock taken and ends.
void start_supervisor(const WorkFolder& folder) {
  const std::string program = fs::read_symlink("/proc/self/exe").string();
  start_process({.words = {program, "suite", "work", "supervise", folder.path().string()},
                 .output = folder.path() / "supervisor.log"});
}

std::string reboot_or(const RunStatus& row, const std::string& otherwise) {
  const bool rebooted = row.process.boot_id != identify_process(::getpid()).boot_id;
  return rebooted ? "the machine was restarted since" : otherwise;
}

}  // namespace

WorkQueue WorkFolder::read_queue() const {
  const fs::path file = folder_ / "queue.json";
  try {
    return queue_from(read_json(file));
  } catch (const nlohmann::json::exception& error) {
    throw Error({.what = std::string("invalid queue: ") + error.what(), .where = file.string()});
  }
}

void WorkFolder::write_queue(const WorkQueue& queue) const {
  Json json = {{"target", queue.target},
               {"suite_folder", queue.suite_folder},
               {"directory", queue.directory},
               {"program", queue.program},
               {"options", queue.options}};
  json["slots"] = Json::array();
  for (const WorkSlot& slot : queue.slots) {
    json["slots"].push_back({{"name", slot.name}, {"gpu", optional_json(slot.gpu)}});
  }
  json["jobs"] = Json::array();
  for (const WorkJob& job : queue.jobs) {
    json["jobs"].push_back({{"name", job.name},
                            {"gpu", optional_json(job.gpu)},
                            {"max_steps", job.max_steps},
                            {"smoke", job.smoke}});
  }
  write_text_atomically(folder_ / "queue.json", json_text(json) + "\n");
}

std::vector<fs::path> WorkFolder::request_files() const {
  std::vector<fs::path> files;
  std::error_code error;
  if (fs::is_symlink(requests(), error)) return files;
  for (const auto& entry : fs::directory_iterator(requests(), error)) {
    const std::string name = entry.path().filename().string();
    const bool is_ours = name.starts_with("start-") || name.starts_with("stop-");
    if (is_ours && fs::is_regular_file(entry.symlink_status(error))) files.push_back(entry.path());
  }
  return files;
}

std::vector<RunStatus> WorkFolder::read_state() const {
  const fs::path file = folder_ / "state.json";
  return fs::exists(file) ? run_statuses_from(read_json(file)) : std::vector<RunStatus>();
}

void WorkFolder::write_state(const std::vector<RunStatus>& rows) const {
  write_text_atomically(folder_ / "state.json", json_text(to_json(rows)) + "\n");
}

std::vector<std::string> WorkFolder::training_command(const WorkQueue& queue,
                                                      const std::string& name) const {
  std::vector<std::string> words = {queue.program, "run"};
  const fs::path begun = newest_folder(runs(name));
  if (has_checkpoint(begun)) {
    words.push_back("--resume=" + begun.string());
  } else {
    words.push_back("--config=" + config(name).string());
  }
  words.insert(words.end(), queue.options.begin(), queue.options.end());
  return words;
}

std::vector<std::string> WorkFolder::smoke_command(const WorkQueue& queue,
                                                   const std::string& name) const {
  std::vector<std::string> words = {queue.program, "run",
                                    "--config=" + smoke_config(name).string()};
  words.insert(words.end(), queue.options.begin(), queue.options.end());
  return words;
}

void request_work(const WorkFolder& folder, const std::string& what,
                  const std::vector<std::string>& names) {
  std::error_code ignored;  // there may be nothing to remove
  if (fs::is_symlink(folder.requests(), ignored)) {
    throw Error({.what = "cannot write the requests",
                 .where = folder.requests().string(),
                 .expected = "a folder",
                 .found = "a link",
                 .next = "remove it"});
  }
  for (const std::string& name : names) {
    fs::remove(folder.request(what == "start" ? "stop" : "start", name), ignored);
    write_text_atomically(folder.request(what, name), "");
  }
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::seconds(30);
  auto started = Clock::time_point();
  while (!folder.request_files().empty()) {
    if (Clock::now() > deadline) {
      for (const std::string& name : names) fs::remove(folder.request(what, name), ignored);
      throw Error({.what = "no supervisor accepts the requests",
                   .where = folder.path().string(),
                   .found = last_line(folder.path() / "supervisor.log"),
                   .next = "see supervisor.log in that folder"});
    }
    // A supervisor that has just started gets one second to take its lock.
    const bool is_free = ProcessLock::try_take(folder.lock_file()).has_value();
    if (is_free && Clock::now() - started > std::chrono::seconds(1)) {
      start_supervisor(folder);
      started = Clock::now();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

void judge_ended(RunStatus& row) {
  const std::string recorded = observed_status(row.run_folder);
  if (recorded == "finished") {
    row.state = RunState::kFinished;
    row.text.clear();
  } else if (recorded == "interrupted") {
    row.state = RunState::kStopped;
    row.text = "interrupted";
  } else if (recorded.starts_with("failed")) {
    row.state = RunState::kFailed;
    row.text = recorded;
  } else {
    row.state = RunState::kLost;
    row.text = reboot_or(row, "its process ended without a record: killed, or out of memory");
  }
}

std::vector<RunStatus> observe_work(const WorkFolder& folder) {
  std::vector<RunStatus> rows = folder.read_state();
  const auto lock = ProcessLock::try_take(folder.lock_file());
  if (!lock) return rows;
  // There is no supervisor, so the rows may be out of date.
  for (RunStatus& row : rows) {
    if (!row.is_active()) continue;
    row.last_update = time_now();
    if (row.state == RunState::kQueued) {
      row.state = RunState::kLost;
      row.text = "its supervisor ended before starting it";
    } else if (is_alive(row.process)) {
      read_progress(folder.runs(row.name), row);
      row.text = "runs without its supervisor";
    } else if (row.state == RunState::kSmoke) {
      row.state = RunState::kLost;
      row.text = reboot_or(row, "its trial ended without a record");
    } else {
      read_progress(folder.runs(row.name), row);
      judge_ended(row);
    }
  }
  return rows;
}

}  // namespace roboimi
