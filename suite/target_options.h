// Reads a target of a suite file with the schema of its kind. Internal to suite.
#pragma once

#include <string>

#include "roboimi/config/node.h"
#include "suite/suite_file.h"

namespace roboimi {

// Throws Error with file:line:column. For an unknown kind, lists those that exist.
TargetSpec parse_target(const std::string& name, const ConfigNode& node);

}  // namespace roboimi
