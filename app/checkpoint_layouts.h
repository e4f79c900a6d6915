// The sets of weights that `roboimi checkpoint` recognizes by the names of their tensors
// (io/weight_selection.h).
#pragma once

#include <string>
#include <vector>

#include "roboimi/io/weight_selection.h"

namespace roboimi::app {

struct CheckpointLayout {
  std::string name;
  WeightNames weights;  // a complete file has all of `expected`
};

const std::vector<CheckpointLayout>& checkpoint_layouts();

}  // namespace roboimi::app
