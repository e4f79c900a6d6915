// The option `episodes`: numbers and ranges of numbers, such as [0-9, 12].
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace roboimi::lerobot_dataset {

// The numbers of a list of numbers and ranges. Throws Error for anything else. Empty: all episodes.
std::set<std::int64_t> chosen_episodes(const std::vector<std::string>& entries);

}  // namespace roboimi::lerobot_dataset
