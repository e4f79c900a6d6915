// How far and how fast the actions of the training episodes go, dimension by dimension. It travels
// in the checkpoint (CheckpointState), for a policy's commands to be held to:
// deploy/action_limits.h.
#pragma once

#include <vector>

namespace roboimi {

struct ActionRange {
  std::vector<double> min, max;      // [A], in the units of the data
  std::vector<double> largest_step;  // [A], of |action[t+1] - action[t]| inside an episode
};

}  // namespace roboimi
