// Resolves the library that a component's node names with `plugin:`. All commands use this
// function.
#pragma once

#include <filesystem>

#include "roboimi/common/export.h"
#include "roboimi/config/node.h"

namespace roboimi {

// The value of the component's `plugin` as an absolute path. A relative path is first searched from
// the current folder, then from the folder of the config file. If there is no such file, the path
// is relative to the current folder. Empty if the node names no library. Throws Error if the value
// is not a string.
ROBOIMI_EXPORT std::filesystem::path resolve_plugin_file(const ConfigNode& component);

}  // namespace roboimi
