// Which keys of two configs differ, for people.
#pragma once

#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/config/node.h"

namespace roboimi {

// "train.max_steps: 200 -> 300", "seed: none -> 3": a line a key, in the order of `before`, then
// those that only `after` has.
ROBOIMI_EXPORT std::vector<std::string> config_changes(const ConfigNode& before,
                                                       const ConfigNode& after);

// The first eight of them in one line, and how many more there are.
ROBOIMI_EXPORT std::string summary_of_changes(const std::vector<std::string>& changes);

}  // namespace roboimi
