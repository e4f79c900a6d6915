// A target on a Slurm cluster. It uses sbatch, squeue, scancel and, with accounting, sacct on this
// machine; the suite's folder is on a file system shared with the nodes. A launch is an array job
// with one task per run. With a trial there are two, and the second depends on the success of the
// first (afterok). See batch_job.h. Internal to suite.
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
  // The tasks of a run's newest training and, if it depends on one, of its trial.
  struct Known {
    std::string training, trial;  // "4711_0"; empty: none
    const QueuedTask *queued_training = nullptr, *queued_trial = nullptr;
  };

  // The name of the job of a submission, given its index in submissions.json.
  std::string job_name(std::size_t submission) const;
  // Submits an array and returns its job id.
  std::string submit(const std::vector<std::string>& names, bool trial, const std::string& after);
  // The submissions with their job ids, also if sbatch accepted a job and its id was not recorded.
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
