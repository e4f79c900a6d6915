// The library that a component's node names by `plugin:`. Every command finds it by this function.
#pragma once

#include <filesystem>

#include "roboimi/common/export.h"
#include "roboimi/config/node.h"

namespace roboimi {

// The value of the component's `plugin`, as an absolute path: from the current folder, else beside
// the config file where it is written. Where neither holds the file, from the current folder. Empty
// when the node names no library. Error when the value is not a string.
ROBOIMI_EXPORT std::filesystem::path resolve_plugin_file(const ConfigNode& component);

}  // namespace roboimi
