// The ranges of the actions and states in the training episodes, per dimension, and the largest
// step of each action. Both ranges are saved in the checkpoint (CheckpointState). A policy's
// commands are limited to the range of the actions (deploy/action_limits.h), and states far outside
// their range are reported (deploy/state_watch.h).
#pragma once

#include <vector>

namespace roboimi {

struct ActionRange {
  std::vector<double> min, max;      // [A], in the units of the data
  std::vector<double> largest_step;  // [A], largest |action[t+1] - action[t]| within an episode
};

struct StateRange {
  std::vector<double> min, max;  // [S], in the units of the data
};

}  // namespace roboimi
