// Lists the keys that differ between two configs, for readers.
#pragma once

#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/config/node.h"

namespace roboimi {

// "train.max_steps: 200 -> 300", "seed: none -> 3": one line per key, in the order of `before`,
// then the keys that only `after` has.
ROBOIMI_EXPORT std::vector<std::string> config_changes(const ConfigNode& before,
                                                       const ConfigNode& after);

// The first eight changes on one line, and the number of the others.
ROBOIMI_EXPORT std::string summary_of_changes(const std::vector<std::string>& changes);

}  // namespace roboimi
