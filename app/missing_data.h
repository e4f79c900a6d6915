// The next step for a training whose data does not exist.
#pragma once

#include <string>

#include "roboimi/common/error.h"
#include "roboimi/config/node.h"

namespace roboimi::app {

// The command that collects exactly the missing data, or for a resumed run (`resumes`) to use the
// run's own configuration. Empty if `error` is not about a missing `data.path` of `config`.
std::string next_for_missing_data(const Error& error, const ConfigNode& config, bool resumes);

}  // namespace roboimi::app
