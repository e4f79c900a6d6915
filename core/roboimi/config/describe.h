// A value in the words of an error message. Internal to config.
#pragma once

#include <string>

#include "roboimi/config/node.h"

namespace roboimi::config {

// "null", "'abc'", "the quoted text '3'", "a list of 2", "a table with the keys a, b".
std::string describe(const ConfigNode& node);

}  // namespace roboimi::config
