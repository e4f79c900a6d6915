// A Slurm cluster, by its own sbatch, squeue, scancel and, where accounting is kept, sacct on this
// machine; the suite's folder is on a file system that the nodes see. A launch is an array job with
// a task a run; with a trial there are two, and the second waits for the first to go well
// (afterok). See batch_job.h. Internal to suite.
#pragma once

#include "suite/batch_job.h"
#include "suite/slurm_commands.h"
#include "suite/target.h"

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
  // What Slurm knows of a run's newest training and, where that waited for one, its trial.
  struct Known {
    std::string training, trial;  // tasks: "4711_0"; empty: none
    const QueuedTask *queued_training = nullptr, *queued_trial = nullptr;
  };

  // Of each submission by its place in submissions.json.
  std::string job_name(std::size_t submission) const;
  // Submits an array; returns its number.
  std::string submit(const std::vector<std::string>& names, bool trial, const std::string& after);
  // With their numbers: sbatch may have taken a job whose number was never written down.
  std::vector<Submission> submissions(const SlurmQueue& queue) const;
  Known known(const std::string& name, const std::vector<Submission>& submissions,
              const SlurmQueue& queue) const;
  RunStatus observe_run(const WorkJob& job, const Known& known, SlurmAccounting& accounting) const;
  void judge_gone(RunStatus& row, const Known& known, SlurmAccounting& accounting) const;
  void cancel(const std::string& name, bool trial, const std::string& task,
              const QueuedTask& queued) const;

  TargetSpec spec_;
  std::filesystem::path suite_folder_;
  WorkFolder folder_;
};

}  // namespace roboimi
