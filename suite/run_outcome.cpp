#include "suite/run_outcome.h"

#include <signal.h>

#include <cstdlib>

#include "roboimi/common/processes.h"
#include "roboimi/train/run_folder.h"
#include "suite/run_progress.h"

namespace roboimi {
namespace {

constexpr int kInterrupted =
    kSignalStatus + SIGINT;  // also the exit status of `roboimi run` after Ctrl-C

std::string at_step(const RunStatus& row) {
  return row.step ? " at step " + std::to_string(*row.step) : "";
}

// The last line of its log. Empty after a signal, because the log does not explain it.
std::string last_line_of(const std::filesystem::path& log, int status) {
  const std::string line = status > kSignalStatus ? "" : last_line(log);
  return line.empty() ? "" : ": " + line;
}

}  // namespace

void judge_training(const WorkFolder& folder, std::optional<int> status, RunStatus& row) {
  if (!status) {
    judge_ended(row);
  } else if (*status == 0) {
    row.state = RunState::kFinished;
    row.text.clear();
  } else if (*status == kInterrupted) {
    row.state = RunState::kStopped;
    row.text = "stopped" + at_step(row) +
               (has_checkpoint(row.run_folder) ? ", with a checkpoint" : ", before a checkpoint");
  } else {
    row.state = RunState::kFailed;
    row.text = status_text(*status) + at_step(row) + last_line_of(folder.log(row.name), *status);
  }
}

bool judge_trial(const WorkFolder& folder, bool asked_to_stop, std::optional<int> status,
                 RunStatus& row) {
  const int code = status ? *status
                   : observed_status(newest_folder(folder.smoke_runs(row.name))) == "finished"
                       ? EXIT_SUCCESS
                       : EXIT_FAILURE;
  // An exit status of its own, other than that of Ctrl-C, is a failure although a request came.
  const bool has_failed = status && code != 0 && code < kSignalStatus;
  if (asked_to_stop && !has_failed) {
    row.state = RunState::kStopped;
    row.text = "stopped in its trial";
    return false;
  }
  if (code != 0) {
    row.state = RunState::kFailed;
    row.text =
        "its trial failed: " + (status ? status_text(code) : std::string("ended without a record"));
    if (status) row.text += last_line_of(folder.log(row.name), code);
    return false;
  }
  std::error_code ignored;  // best effort: leftovers are harmless
  std::filesystem::remove_all(folder.smoke_runs(row.name), ignored);
  row.state = RunState::kQueued;
  row.text = "its trial succeeded";
  return true;
}

}  // namespace roboimi
