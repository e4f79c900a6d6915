// Formats values and names for error messages. Internal to config.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "roboimi/config/node.h"

namespace roboimi::config {

// "null", "'abc'", "the quoted string '3'", "a list of 2", "a table with the keys a, b".
std::string describe(const ConfigNode& node);

// "a, b, c".
std::string join(const std::vector<std::string>& names);

}  // namespace roboimi::config
