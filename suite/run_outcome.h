// What the end of a process says of its run. Internal to suite.
#pragma once

#include <optional>

#include "suite/work_folder.h"

namespace roboimi {

// `status` is the process's, as a shell has it; none when somebody else reaped it, or it was not
// this process's child: then what the run wrote decides.
void judge_training(const WorkFolder& folder, std::optional<int> status, RunStatus& row);

// A trial that went well puts the run back into the queue, removes what it wrote, and returns true.
bool judge_trial(const WorkFolder& folder, bool asked_to_stop, std::optional<int> status,
                 RunStatus& row);

}  // namespace roboimi
