#include "roboimi/suite/slurm_target.h"

#include <algorithm>
#include <sstream>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/origin.h"
#include "roboimi/common/text.h"
#include "roboimi/suite/job_config.h"
#include "roboimi/suite/run_progress.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

// Its arguments are the program, the work folder and the submission: nothing is put into its text.
constexpr const char* kScript = "#!/bin/sh\nexec \"$1\" suite work batch \"$2\" \"$3\"\n";

std::string run_slurm(const std::vector<std::string>& words) {
  ProcessResult result;
  try {
    result = run_process(words);
  } catch (const Error& error) {
    throw Error({.what = "no Slurm on this machine: " + one_line_message(error),
                 .next = "launch where " + words[0] + " is installed"});
  }
  if (result.status == 0) return result.output;
  throw Error({.what = words[0] + " failed",
               .found = printable(result.errors.substr(0, result.errors.find('\n'))),
               .next = "what Slurm has accepted goes on"});
}

// The newest submission of that kind with the run in it.
std::optional<std::size_t> newest(const std::vector<Submission>& submissions,
                                  const std::string& name, bool trial) {
  for (std::size_t i = submissions.size(); i-- > 0;) {
    const Submission& entry = submissions[i];
    if (entry.trial == trial && !entry.job_id.empty() &&
        std::find(entry.names.begin(), entry.names.end(), name) != entry.names.end()) {
      return i;
    }
  }
  return std::nullopt;
}

std::string task_id(const Submission& submission, const std::string& name) {
  const auto at = std::find(submission.names.begin(), submission.names.end(), name);
  return submission.job_id + "_" + std::to_string(at - submission.names.begin());
}

}  // namespace

SlurmTarget::SlurmTarget(TargetSpec spec, const fs::path& suite_folder)
    : spec_(std::move(spec)),
      suite_folder_(fs::absolute(suite_folder)),
      folder_(target_folder(suite_folder, spec_.name)) {}

void SlurmTarget::launch(const LaunchOrder& order) {
  const auto names = write_queue_here(folder_, spec_, suite_folder_, order);
  const std::string trial = order.smoke_steps > 0 ? submit(names, /*trial=*/true, "") : "";
  submit(names, /*trial=*/false, trial);
}

void SlurmTarget::resume(const std::vector<std::string>& names) { submit(names, false, ""); }

std::string SlurmTarget::submit(const std::vector<std::string>& names, bool trial,
                                const std::string& after) {
  const fs::path script = folder_.path() / "batch.sh";
  write_text_atomically(script, kScript);
  // A job may start before sbatch has returned: what its tasks are is written first.
  std::vector<Submission> submissions = read_submissions(folder_);
  submissions.push_back({.job_id = "", .trial = trial, .names = names});
  write_submissions(folder_, submissions);
  std::vector<std::string> words = {"sbatch",
                                    "--parsable",
                                    "--job-name=roboimi-" + spec_.name,
                                    "--array=0-" + std::to_string(names.size() - 1),
                                    "--chdir=" + folder_.path().string(),
                                    "--output=batch_log.txt",
                                    "--open-mode=append",
                                    "--requeue"};
  words.insert(words.end(), spec_.sbatch.begin(), spec_.sbatch.end());
  if (!after.empty()) {
    words.insert(words.end(), {"--dependency=afterok:" + after, "--kill-on-invalid-dep=yes"});
  }
  words.insert(words.end(), {script.string(), folder_.read_queue().program, folder_.path().string(),
                             std::to_string(submissions.size() - 1)});
  const std::string answer = run_slurm(words);  // NUMBER or NUMBER;CLUSTER
  submissions.back().job_id = answer.substr(0, answer.find_first_of(";\n"));
  write_submissions(folder_, submissions);
  return submissions.back().job_id;
}

void SlurmTarget::stop(const std::vector<std::string>& names) {
  const std::vector<Submission> submissions = read_submissions(folder_);
  const auto queued = tasks();
  for (const std::string& name : names) {
    for (const bool trial : {true, false}) {
      const auto at = newest(submissions, name, trial);
      if (!at) continue;
      const std::string id = task_id(submissions[*at], name);
      const auto task = queued.find(id);
      if (task == queued.end()) continue;
      if (task->second.state == "RUNNING") {
        run_slurm({"scancel", "--batch", "--signal=INT", id});
      } else {
        run_slurm({"scancel", id});
      }
    }
  }
}

std::map<std::string, SlurmTarget::Task> SlurmTarget::tasks() const {
  std::map<std::string, Task> all;
  std::istringstream lines(
      run_slurm({"squeue", "--me", "--noheader", "--array", "--format=%i|%T|%r"}));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string id;
    Task task;
    std::getline(std::getline(std::getline(fields, id, '|'), task.state, '|'), task.reason, '|');
    all[id] = task;
  }
  return all;
}

std::vector<RunStatus> SlurmTarget::observe() {
  if (!folder_.has_queue()) return {};
  const std::vector<Submission> submissions = read_submissions(folder_);
  const auto queued = tasks();
  std::vector<RunStatus> rows;
  for (const WorkJob& job : folder_.read_queue().jobs) {
    rows.push_back(observe_run(job, submissions, queued));
  }
  return rows;
}

RunStatus SlurmTarget::observe_run(const WorkJob& job, const std::vector<Submission>& submissions,
                                   const std::map<std::string, Task>& queued) const {
  RunStatus row{.name = job.name, .target = spec_.name};
  const auto training = newest(submissions, job.name, /*trial=*/false);
  const auto trial = newest(submissions, job.name, /*trial=*/true);
  if (const auto written = read_job_row(folder_, job.name, /*trial=*/false)) row = *written;
  row.max_steps = job.max_steps;
  row.log = folder_.log(job.name).string();
  row.heard = time_now();
  read_progress(folder_.runs(job.name), row);
  const std::string id = training ? task_id(submissions[*training], job.name) : "";
  const auto task = queued.find(id);
  if (task != queued.end() && task->second.state != "PENDING") {
    row.job_id = id;
    row.state = RunState::kRunning;
    row.text = task->second.state == "RUNNING" ? "" : "Slurm: " + task->second.state;
    return row;
  }
  const bool is_tried = trial && (!training || *trial + 1 == *training);
  const auto trying = is_tried ? queued.find(task_id(submissions[*trial], job.name)) : queued.end();
  if (trying != queued.end()) {
    row.job_id = trying->first;
    row.state = trying->second.state == "PENDING" ? RunState::kQueued : RunState::kSmoke;
    row.text = trying->second.state == "PENDING" ? "Slurm: " + trying->second.reason : "";
  } else if (task != queued.end() && task->second.reason != "DependencyNeverSatisfied") {
    row.job_id = id;
    row.state = RunState::kQueued;
    row.text = "Slurm: " + task->second.reason;
  } else {
    judge_absent(row, id);
  }
  return row;
}

void SlurmTarget::judge_absent(RunStatus& row, const std::string& id) const {
  const auto trial = read_job_row(folder_, row.name, /*trial=*/true);
  if (!id.empty() && row.job_id == id) {
    // Its job wrote the end, or was killed before it could.
    if (row.is_active()) judge_ended(row);
  } else if (trial && (trial->state == RunState::kFailed || trial->state == RunState::kStopped)) {
    row.state = trial->state;
    row.text = trial->text;
  } else if (trial) {
    row.state = RunState::kFailed;
    row.text = "not started: the trial of another run failed, or its job was cancelled";
  } else {
    row.state = id.empty() ? RunState::kFailed : RunState::kStopped;
    row.text = id.empty() ? "not started: sbatch did not take it" : "its job was cancelled";
  }
}

}  // namespace roboimi
