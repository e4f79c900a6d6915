// The command `roboimi checkpoint verify`, which checks that checkpoints are undamaged.
#pragma once

#include <string>
#include <vector>

namespace roboimi::app {

// Each of `paths` is a checkpoint folder, a folder of checkpoints, or a run folder, whose
// checkpoints are all checked. Prints a line for each checkpoint and for each damaged file. Returns
// the exit status: failure if anything is damaged. Throws Error if there is no checkpoint.
int verify_checkpoints(const std::vector<std::string>& paths);

}  // namespace roboimi::app
