// A Slurm cluster, by its own sbatch, squeue and scancel on this machine; the suite's folder is on
// a file system that the nodes see. A launch is an array job with a task a run; with a trial there
// are two, and the second waits for the first to go well (afterok). See batch_job.h. Internal to
// suite.
#pragma once

#include <map>

#include "roboimi/suite/batch_job.h"
#include "roboimi/suite/target.h"

namespace roboimi {

class SlurmTarget final : public Target {
 public:
  SlurmTarget(TargetSpec spec, const std::filesystem::path& suite_folder);

  void launch(const LaunchOrder& order) override;
  void resume(const std::vector<std::string>& names) override;
  void stop(const std::vector<std::string>& names) override;
  std::vector<RunStatus> observe() override;
  void fetch(bool) override {}

 private:
  // What squeue says of a task.
  struct Task {
    std::string state, reason;
  };

  // Submits an array; returns its number.
  std::string submit(const std::vector<std::string>& names, bool trial, const std::string& after);
  std::map<std::string, Task> tasks() const;
  RunStatus observe_run(const WorkJob& job, const std::vector<Submission>& submissions,
                        const std::map<std::string, Task>& tasks) const;
  // A run whose training is not in the queue, or waits for a trial.
  void judge_absent(RunStatus& row, const std::string& id) const;

  TargetSpec spec_;
  std::filesystem::path suite_folder_;
  WorkFolder folder_;
};

}  // namespace roboimi
