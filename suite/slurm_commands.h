// Slurm's commands and the states of jobs that they report. Internal to suite.
//
//   const SlurmQueue queue = squeue();
//   if (!queue.tasks.contains("4711_0")) ...      // ended or unknown
//   SlurmAccounting accounting({"4711"});
//   if (const EndedTask* ended = accounting.of("4711_0")) ...
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

// Runs a command of Slurm and returns its output. Throws Error if Slurm is not installed here, or
// if the command fails or does not answer.
std::string run_slurm(const std::vector<std::string>& words);

struct QueuedTask {
  std::string state, reason;
};

// This user's pending and running jobs.
struct SlurmQueue {
  std::map<std::string, QueuedTask> tasks;    // "4711_0"
  std::map<std::string, std::string> arrays;  // a job's name -> "4711"
};
SlurmQueue squeue();

// The accounting record of a task that has ended.
struct ROBOIMI_EXPORT EndedTask {
  std::string state;  // "OUT_OF_MEMORY", "CANCELLED", ...
  std::string text;   // "Slurm: OUT_OF_MEMORY, exit code 0:125, on node0, at 2026-01-31T12:00:00"

  // By a user, or by `suite stop`.
  bool is_canceled() const { return state == "CANCELLED"; }
  // The cluster ended it, not the run itself.
  bool is_clusters() const;
};

// Parses the output of sacct --parsable2 --format=JobID,State,ExitCode,NodeList,End. The key is the
// task; for tasks that were canceled together ("4711_[2-4]", "4711") it is their array, "4711".
ROBOIMI_EXPORT std::map<std::string, EndedTask> parse_accounting(const std::string& lines);

// Runs sacct once, when it is first needed. Without accounting there are no records.
class ROBOIMI_EXPORT SlurmAccounting {
 public:
  explicit SlurmAccounting(std::vector<std::string> jobs) : jobs_(std::move(jobs)) {}
  // nullptr for a task that has not ended.
  const EndedTask* of(const std::string& task);

 private:
  std::vector<std::string> jobs_;
  std::optional<std::map<std::string, EndedTask>> ended_;
};

}  // namespace roboimi
