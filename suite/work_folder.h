// A folder on the machine where runs happen: what is to run there, and what came of it. The same on
// this machine and behind ssh.
//
//   FOLDER/queue.json               WorkQueue: written by a launch
//   FOLDER/state.json               the runs' states: written by the supervisor alone
//   FOLDER/requests/start-NAME      what the supervisor is asked for, and removes when it is done;
//   FOLDER/requests/stop-NAME       so a request survives a supervisor that does not
//   FOLDER/supervisor.lock, supervisor.log
//   FOLDER/jobs/NAME/config.yaml    the run's resolved configuration; smoke.yaml: of its trial
//   FOLDER/jobs/NAME/log.txt        what its process printed
//   FOLDER/jobs/NAME/process.lock   held by its process: no second one is started beside it
//   FOLDER/jobs/NAME/runs/          its run folder
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "suite/run_status.h"

namespace roboimi {

struct WorkSlot {
  std::string name;                 // "gpu 0", "slot 1"
  std::optional<std::int64_t> gpu;  // the only one that a run here sees
};

struct WorkJob {
  std::string name;
  std::optional<std::int64_t> gpu;  // the slot it must have
  std::int64_t max_steps = 0;
  bool smoke = false;  // a trial comes before its training
};

struct WorkQueue {
  std::string target;
  std::string suite_folder;  // whose records follow; empty on another machine than the suite's
  std::string directory;     // the runs' working directory
  std::string program;       // roboimi
  std::vector<std::string> options;  // of every `roboimi run`: --plugin-path=...
  std::vector<WorkSlot> slots;
  std::vector<WorkJob> jobs;
};

class ROBOIMI_EXPORT WorkFolder {
 public:
  explicit WorkFolder(std::filesystem::path folder) : folder_(std::move(folder)) {}

  const std::filesystem::path& path() const { return folder_; }
  std::filesystem::path job(const std::string& name) const { return folder_ / "jobs" / name; }
  std::filesystem::path config(const std::string& name) const { return job(name) / "config.yaml"; }
  std::filesystem::path smoke_config(const std::string& name) const {
    return job(name) / "smoke.yaml";
  }
  std::filesystem::path log(const std::string& name) const { return job(name) / "log.txt"; }
  std::filesystem::path runs(const std::string& name) const { return job(name) / "runs"; }
  std::filesystem::path smoke_runs(const std::string& name) const {
    return job(name) / "smoke_runs";
  }
  std::filesystem::path lock_file() const { return folder_ / "supervisor.lock"; }
  std::filesystem::path run_lock(const std::string& name) const {
    return job(name) / "process.lock";
  }
  std::filesystem::path requests() const { return folder_ / "requests"; }
  std::filesystem::path request(const std::string& what, const std::string& name) const {
    return requests() / (what + "-" + name);
  }
  // The requests that are there, whole: files of others in that folder are none, and a link in its
  // place holds none.
  std::vector<std::filesystem::path> request_files() const;

  bool has_queue() const { return std::filesystem::exists(folder_ / "queue.json"); }
  WorkQueue read_queue() const;
  void write_queue(const WorkQueue& queue) const;
  // Empty before the first run.
  std::vector<RunStatus> read_state() const;
  void write_state(const std::vector<RunStatus>& rows) const;

  // The words of the process that trains `name`: from its last checkpoint when it has one.
  std::vector<std::string> training_command(const WorkQueue& queue, const std::string& name) const;
  std::vector<std::string> smoke_command(const WorkQueue& queue, const std::string& name) const;

 private:
  std::filesystem::path folder_;
};

// Asks for "start" or "stop" of these runs, in place of what was asked for before and not taken,
// and sees that a supervisor takes the requests, starting one when there is none. Error when none
// takes them, with its last words; then nothing is asked for any more.
ROBOIMI_EXPORT void request_work(const WorkFolder& folder, const std::string& what,
                                 const std::vector<std::string>& names);

// The runs' states as they are now: where no supervisor lives, what has become of their processes.
ROBOIMI_EXPORT std::vector<RunStatus> observe_work(const WorkFolder& folder);

// What has become of a training whose process ended unseen, from what its run folder says.
ROBOIMI_EXPORT void judge_ended(RunStatus& row);

}  // namespace roboimi
