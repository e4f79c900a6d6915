// Sets of weights that `roboimi checkpoint` recognizes by their names (io/weight_selection.h).
#pragma once

#include <string>
#include <vector>

#include "roboimi/io/weight_selection.h"

namespace roboimi::app {

struct CheckpointLayout {
  std::string name;
  WeightNames weights;  // all of `expected` are there in a complete file
};

const std::vector<CheckpointLayout>& checkpoint_layouts();

}  // namespace roboimi::app
