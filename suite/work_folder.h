// The work folder on the machine that runs the jobs: the queue and the files of the runs. It has
// the same layout on this machine and on machines reached with ssh.
//
//   FOLDER/queue.json               WorkQueue: written by a launch
//   FOLDER/state.json               states of the runs: written only by the supervisor
//   FOLDER/requests/start-NAME      requests to the supervisor, which removes them when done; so a
//   FOLDER/requests/stop-NAME       request survives a killed supervisor
//   FOLDER/supervisor.lock, supervisor.log
//   FOLDER/jobs/NAME/config.yaml    the run's resolved config; smoke.yaml: that of its trial
//   FOLDER/jobs/NAME/log.txt        output of its process
//   FOLDER/jobs/NAME/process.lock   locked by its process, so that no second one is started
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
  std::optional<std::int64_t> gpu;  // the only GPU visible to a run on this slot
};

struct WorkJob {
  std::string name;
  std::optional<std::int64_t> gpu;  // the required GPU
  std::int64_t max_steps = 0;
  bool smoke = false;  // a trial comes before its training
};

struct WorkQueue {
  std::string target;
  std::string suite_folder;          // its records are updated; empty on another machine
  std::string directory;             // the runs' working directory
  std::string program;               // roboimi
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
  // The requests. Other files in that folder are ignored, and links are not followed.
  std::vector<std::filesystem::path> request_files() const;

  bool has_queue() const { return std::filesystem::exists(folder_ / "queue.json"); }
  WorkQueue read_queue() const;
  void write_queue(const WorkQueue& queue) const;
  // Empty before the first run.
  std::vector<RunStatus> read_state() const;
  void write_state(const std::vector<RunStatus>& rows) const;

  // The command that trains `name`, from its last checkpoint if it has one.
  std::vector<std::string> training_command(const WorkQueue& queue, const std::string& name) const;
  std::vector<std::string> smoke_command(const WorkQueue& queue, const std::string& name) const;

 private:
  std::filesystem::path folder_;
};

// Requests "start" or "stop" of these runs, replacing earlier requests that are still open. Starts
// a supervisor if there is none, and waits until it accepts the requests. Throws Error with the
// last line of its log if none does; then the requests are withdrawn.
ROBOIMI_EXPORT void request_work(const WorkFolder& folder, const std::string& what,
                                 const std::vector<std::string>& names);

// The current states of the runs. Without a supervisor, they are determined from the processes and
// the run folders.
ROBOIMI_EXPORT std::vector<RunStatus> observe_work(const WorkFolder& folder);

// Sets the state of a training whose process ended without a record, from its run folder.
ROBOIMI_EXPORT void judge_ended(RunStatus& row);

}  // namespace roboimi
