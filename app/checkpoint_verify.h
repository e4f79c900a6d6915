// roboimi checkpoint verify: whether checkpoints are what was saved.
#pragma once

#include <string>
#include <vector>

namespace roboimi::app {

// Each of `paths` is a checkpoint's folder, a folder of checkpoints or a run's folder, of which all
// are checked. Prints a line for each checkpoint and for each damaged file. Returns the exit
// status: failure when anything is damaged. Error when there is no checkpoint.
int verify_checkpoints(const std::vector<std::string>& paths);

}  // namespace roboimi::app
