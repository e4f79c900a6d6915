#include "suite/slurm_target.h"

#include <algorithm>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/origin.h"
#include "roboimi/common/text.h"
#include "suite/job_config.h"
#include "suite/run_progress.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

// Its arguments are the program, the work folder and the submission, so nothing needs quoting.
constexpr const char* kScript = "#!/bin/sh\nexec \"$1\" suite work batch \"$2\" \"$3\"\n";

// The newest submission of that kind that includes the run.
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

const QueuedTask* find_task(const SlurmQueue& queue, const std::string& task) {
  const auto found = queue.tasks.find(task);
  return found == queue.tasks.end() ? nullptr : &found->second;
}

bool is_number(const std::string& text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The id of a job that wrote one of the submission's rows and belongs to no other submission.
std::string number_from_rows(const WorkFolder& folder, const std::vector<Submission>& all,
                             const Submission& entry) {
  for (const std::string& name : entry.names) {
    const auto row = read_job_row(folder, name, entry.trial);
    const std::string number = row ? row->job_id.substr(0, row->job_id.find('_')) : "";
    const bool is_others = std::any_of(
        all.begin(), all.end(), [&](const Submission& other) { return other.job_id == number; });
    if (!number.empty() && !is_others) return number;
  }
  return "";
}

// The row written by the task of this trial, not by an earlier submission.
std::optional<RunStatus> row_of(const WorkFolder& folder, const std::string& name,
                                const std::string& trial_task) {
  std::optional<RunStatus> row = read_job_row(folder, name, /*trial=*/true);
  return row && row->job_id == trial_task ? row : std::nullopt;
}

// Sets the row of a job that left the queue without writing its end.
void judge_unseen(RunStatus& row, const EndedTask* ended, const std::string& otherwise) {
  row.state = ended == nullptr       ? RunState::kLost
              : ended->is_canceled() ? RunState::kStopped
              : ended->is_clusters() ? RunState::kLost
                                     : RunState::kFailed;
  row.text = ended == nullptr ? otherwise + "; accounting (sacct) has no reason" : ended->text;
}

}  // namespace

SlurmTarget::SlurmTarget(TargetSpec spec, const fs::path& suite_folder)
    : spec_(std::move(spec)),
      suite_folder_(fs::absolute(suite_folder)),
      folder_(target_folder(suite_folder, spec_.name)) {}

void SlurmTarget::launch(const LaunchOrder& order) {
  resume(write_queue_here(folder_, spec_, suite_folder_, order));
}

void SlurmTarget::resume(const std::vector<std::string>& names) {
  std::vector<std::string> untried, others;
  for (const WorkJob& job : folder_.read_queue().jobs) {
    if (std::find(names.begin(), names.end(), job.name) == names.end()) continue;
    const auto row = read_job_row(folder_, job.name, /*trial=*/false);
    (job.smoke && (!row || row->attempts == 0) ? untried : others).push_back(job.name);
  }
  if (!untried.empty()) {
    submit(untried, /*trial=*/false, submit(untried, /*trial=*/true, ""));
  }
  if (!others.empty()) submit(others, /*trial=*/false, "");
}

std::string SlurmTarget::job_name(std::size_t submission) const {
  constexpr std::size_t kDigits = 10;
  const std::string hash = Sha256().update_text(folder_.path().string()).hex();
  return "roboimi-" + spec_.name + "-" + hash.substr(0, kDigits) + "-" + std::to_string(submission);
}

std::string SlurmTarget::submit(const std::vector<std::string>& names, bool trial,
                                const std::string& after) {
  const fs::path script = folder_.path() / "batch.sh";
  write_text_atomically(script, kScript);
  // A job may start before sbatch returns, so its tasks are written first.
  std::vector<Submission> all = read_submissions(folder_);
  all.push_back({.job_id = "", .trial = trial, .names = names});
  write_submissions(folder_, all);
  std::vector<std::string> words = {"sbatch", "--requeue"};
  words.insert(words.end(), spec_.sbatch.begin(), spec_.sbatch.end());
  // Options that this program relies on come last, because the last one counts.
  words.insert(words.end(), {"--parsable", "--job-name=" + job_name(all.size() - 1),
                             "--array=0-" + std::to_string(names.size() - 1),
                             "--chdir=" + folder_.path().string(), "--output=batch_log.txt",
                             "--error=batch_log.txt", "--open-mode=append"});
  if (!after.empty()) {
    words.insert(words.end(), {"--dependency=afterok:" + after, "--kill-on-invalid-dep=yes"});
  }
  words.insert(words.end(), {script.string(), folder_.read_queue().program, folder_.path().string(),
                             std::to_string(all.size() - 1)});
  const std::string answer = run_slurm(words);  // NUMBER or NUMBER;CLUSTER
  const std::string number = answer.substr(0, answer.find_first_of(";\n"));
  if (!is_number(number)) {
    throw Error({.what = "sbatch returned no job id",
                 .where = "targets." + spec_.name,
                 .found = "'" + printable(answer) + "'",
                 .next = "check the options in `sbatch`"});
  }
  all.back().job_id = number;
  write_submissions(folder_, all);
  return number;
}

std::vector<Submission> SlurmTarget::submissions(const SlurmQueue& queue) const {
  std::vector<Submission> all = read_submissions(folder_);
  for (std::size_t i = all.size(); i-- > 0;) {
    if (!all[i].job_id.empty()) continue;
    const auto queued = queue.arrays.find(job_name(i));
    all[i].job_id =
        queued != queue.arrays.end() ? queued->second : number_from_rows(folder_, all, all[i]);
  }
  return all;
}

SlurmTarget::Known SlurmTarget::known(const std::string& name,
                                      const std::vector<Submission>& submissions,
                                      const SlurmQueue& queue) const {
  Known known;
  const auto training = newest(submissions, name, /*trial=*/false);
  const auto trial = newest(submissions, name, /*trial=*/true);
  // If the training was not submitted after its trial, an older training does not count.
  if (training && (!trial || *training > *trial)) {
    known.training = task_id(submissions[*training], name);
  }
  if (trial && (!training || *trial + 1 >= *training)) {
    known.trial = task_id(submissions[*trial], name);
  }
  known.queued_training = find_task(queue, known.training);
  known.queued_trial = find_task(queue, known.trial);
  return known;
}

void SlurmTarget::stop(const std::vector<std::string>& names) {
  const SlurmQueue queue = squeue();
  const std::vector<Submission> all = submissions(queue);
  for (const std::string& name : names) {
    const Known run = known(name, all, queue);
    if (run.queued_trial != nullptr) cancel(name, /*trial=*/true, run.trial, *run.queued_trial);
    if (run.queued_training != nullptr) {
      cancel(name, /*trial=*/false, run.training, *run.queued_training);
    }
  }
}

void SlurmTarget::cancel(const std::string& name, bool trial, const std::string& task,
                         const QueuedTask& queued) const {
  if (queued.state == "RUNNING") {
    run_slurm({"scancel", "--batch", "--signal=INT", task});
    return;
  }
  // If the job starts anyway, it overwrites this row.
  RunStatus row = read_job_row(folder_, name, trial).value_or(RunStatus{.name = name});
  row.target = spec_.name;
  row.job_id = task;
  row.state = RunState::kStopped;
  row.text = "stopped before it started";
  write_job_row(folder_, row, trial);
  run_slurm({"scancel", task});
}

std::vector<RunStatus> SlurmTarget::observe() {
  if (!folder_.has_queue()) return {};
  const SlurmQueue queue = squeue();
  const std::vector<Submission> all = submissions(queue);
  std::vector<std::string> numbers;
  for (const Submission& entry : all) {
    if (!entry.job_id.empty()) numbers.push_back(entry.job_id);
  }
  SlurmAccounting accounting(numbers);
  std::vector<RunStatus> rows;
  for (const WorkJob& job : folder_.read_queue().jobs) {
    rows.push_back(observe_run(job, known(job.name, all, queue), accounting));
  }
  return rows;
}

RunStatus SlurmTarget::observe_run(const WorkJob& job, const Known& known,
                                   SlurmAccounting& accounting) const {
  RunStatus row{.name = job.name, .target = spec_.name};
  if (const auto written = read_job_row(folder_, job.name, /*trial=*/false)) row = *written;
  row.max_steps = job.max_steps;
  row.log = folder_.log(job.name).string();
  row.last_update = time_now();
  read_progress(folder_.runs(job.name), row);
  const QueuedTask *training = known.queued_training, *trial = known.queued_trial;
  if (training != nullptr && training->state != "PENDING") {
    row.job_id = known.training;
    row.state = RunState::kRunning;
    row.text = training->state == "RUNNING" ? "" : "Slurm: " + training->state;
  } else if (trial != nullptr) {
    row.job_id = known.trial;
    row.state = trial->state == "PENDING" ? RunState::kQueued : RunState::kSmoke;
    row.text = trial->state == "PENDING" ? "Slurm: " + trial->reason : "";
  } else if (training != nullptr && training->reason != "DependencyNeverSatisfied") {
    row.job_id = known.training;
    row.state = RunState::kQueued;
    row.text = "Slurm: " + training->reason;
  } else {
    judge_gone(row, known, accounting);
  }
  return row;
}

// Sets the row of a run whose training is not in the queue, or waits for a trial that failed.
void SlurmTarget::judge_gone(RunStatus& row, const Known& known,
                             SlurmAccounting& accounting) const {
  const auto trial = row_of(folder_, row.name, known.trial);
  if (!known.training.empty() && row.job_id == known.training) {
    // Its job wrote the end, or was killed before.
    if (row.is_active()) judge_ended(row);
    if (row.state == RunState::kLost) {
      judge_unseen(row, accounting.of(known.training), "its job was killed");
    }
  } else if (trial && trial->state == RunState::kSmoke) {
    judge_unseen(row, accounting.of(known.trial), "its trial's job was killed");
    row.text = "not started: in its trial, " + row.text;
  } else if (trial && trial->state != RunState::kQueued) {
    row.state = trial->state;
    row.text = trial->text;
  } else if (known.training.empty() && (trial || known.trial.empty())) {
    row.state = RunState::kFailed;
    row.text = "not started: sbatch did not accept it";
  } else if (trial) {
    row.state = RunState::kFailed;
    row.text = "not started: the trial of another run failed, or its job was canceled";
  } else {
    const std::string& first = known.trial.empty() ? known.training : known.trial;
    judge_unseen(row, accounting.of(first), "its job left the queue of Slurm");
    row.text = "ended before it started (" + row.text + "); see batch_log.txt";
  }
}

}  // namespace roboimi
