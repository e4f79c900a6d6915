// The outcome of a run whose process has ended. Internal to suite.
#pragma once

#include <optional>

#include "suite/work_folder.h"

namespace roboimi {

// Sets the row of a training. `status` is the exit status as in a shell. It is empty if the process
// was not a child of this process; then the files of the run decide.
void judge_training(const WorkFolder& folder, std::optional<int> status, RunStatus& row);

// Sets the row of a trial. If the trial succeeded, puts the run back into the queue, removes the
// trial's files and returns true.
bool judge_trial(const WorkFolder& folder, bool asked_to_stop, std::optional<int> status,
                 RunStatus& row);

}  // namespace roboimi
