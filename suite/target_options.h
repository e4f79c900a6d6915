// A target of a suite file, read by the schema of its kind. Internal to suite.
#pragma once

#include <string>

#include "roboimi/config/node.h"
#include "suite/suite_file.h"

namespace roboimi {

// Error with file:line:column; an unknown kind lists those that exist.
TargetSpec parse_target(const std::string& name, const ConfigNode& node);

}  // namespace roboimi
