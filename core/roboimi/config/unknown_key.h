// The error for an override of a key that does not exist. Internal to config.
#pragma once

#include <string>
#include <vector>

#include "roboimi/config/overrides.h"

namespace roboimi::config {

// Suggests keys of `known`. `may_add`: whether `+KEY=VALUE` could add the key.
[[noreturn]] void fail_unknown_key(const Override& change, const std::vector<std::string>& known,
                                   bool may_add);

}  // namespace roboimi::config
