#include "suite/batch_job.h"

#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/json_text.h"
#include "roboimi/common/origin.h"
#include "roboimi/train/stop_request.h"
#include "suite/run_outcome.h"
#include "suite/run_progress.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

fs::path row_file(const WorkFolder& folder, const std::string& name, bool trial) {
  return folder.job(name) / (trial ? "trial.json" : "batch.json");
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Waits for the child. If this process is asked to stop, sends one SIGINT to the child.
std::optional<int> wait_for(const ProcessIdentity& child, const StopRequest& stop) {
  bool is_signaled = false;
  int status = 0;
  while (true) {
    const pid_t ended = ::waitpid(static_cast<pid_t>(child.pid), &status, WNOHANG);
    if (ended > 0) return shell_status(status);
    if (ended < 0) return std::nullopt;
    if (stop.requested() && !is_signaled) {
      is_signaled = true;
      ::kill(static_cast<pid_t>(child.pid), SIGINT);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

}  // namespace

std::vector<Submission> read_submissions(const WorkFolder& folder) {
  const fs::path file = folder.path() / "submissions.json";
  std::vector<Submission> submissions;
  if (!fs::exists(file)) return submissions;
  for (const Json& entry : read_json(file)) {
    submissions.push_back({entry.at("job_id"), entry.at("trial"), entry.at("names")});
  }
  return submissions;
}

void write_submissions(const WorkFolder& folder, const std::vector<Submission>& submissions) {
  Json list = Json::array();
  for (const Submission& entry : submissions) {
    list.push_back({{"job_id", entry.job_id}, {"trial", entry.trial}, {"names", entry.names}});
  }
  write_text_atomically(folder.path() / "submissions.json", json_text(list) + "\n");
}

std::optional<RunStatus> read_job_row(const WorkFolder& folder, const std::string& name,
                                      bool trial) {
  const fs::path file = row_file(folder, name, trial);
  if (!fs::exists(file)) return std::nullopt;
  return run_status_from(read_json(file));
}

void write_job_row(const WorkFolder& folder, const RunStatus& row, bool trial) {
  write_text_atomically(row_file(folder, row.name, trial), json_text(to_json(row)) + "\n");
}

int run_batch_job(const WorkFolder& folder, std::size_t submission, std::size_t task) {
  const StopRequest stop;
  const WorkQueue queue = folder.read_queue();
  const Submission own = read_submissions(folder).at(submission);
  const std::string& name = own.names.at(task);
  const auto former = read_job_row(folder, name, own.trial);
  RunStatus row{.name = name,
                .target = queue.target,
                .state = own.trial ? RunState::kSmoke : RunState::kRunning,
                .slot = variable("SLURM_JOB_PARTITION") + " " + variable("SLURMD_NODENAME"),
                .job_id = variable("SLURM_ARRAY_JOB_ID") + "_" + std::to_string(task),
                .attempts = (former ? former->attempts : 0) + (own.trial ? 0 : 1),
                .log = folder.log(name).string(),
                .last_update = time_now()};
  const auto save = [&] {
    row.last_update = time_now();
    write_job_row(folder, row, own.trial);
  };
  try {
    row.process = start_process({.words = own.trial ? folder.smoke_command(queue, name)
                                                    : folder.training_command(queue, name),
                                 .directory = queue.directory,
                                 .output = folder.log(name)});
  } catch (const Error& error) {
    row.state = RunState::kFailed;
    row.text = one_line_message(error);
    save();
    throw;
  }
  save();
  const std::optional<int> status = wait_for(row.process, stop);
  if (own.trial) {
    judge_trial(folder, stop.requested(), status, row);
  } else {
    read_progress(folder.runs(name), row);
    judge_training(folder, status, row);
  }
  save();
  return status.value_or(EXIT_FAILURE);
}

}  // namespace roboimi
