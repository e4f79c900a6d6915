// How far the actions and states of the training episodes go, dimension by dimension, and how fast
// the actions. Both travel in the checkpoint (CheckpointState): a policy's commands are held to the
// one (deploy/action_limits.h), and states outside the other are reported (deploy/state_watch.h).
#pragma once

#include <vector>

namespace roboimi {

struct ActionRange {
  std::vector<double> min, max;      // [A], in the units of the data
  std::vector<double> largest_step;  // [A], of |action[t+1] - action[t]| inside an episode
};

struct StateRange {
  std::vector<double> min, max;  // [S], in the units of the data
};

}  // namespace roboimi
