// Keeps a run's configuration from opening other libraries than the run was trained with.
//
//   restrict_to_recorded_plugins(config, "runs/2026...");
//
// A run's folder may come from somebody else, and a `plugin: FILE` in its config.yaml is code.
#pragma once

#include <filesystem>

#include "roboimi/common/export.h"
#include "roboimi/config/node.h"

namespace roboimi {

// Restricts the plugins that `config` names (Registry::restrict_plugins) to those in the run.json
// of `folder`: a run's folder, or one of its checkpoints. Without a readable run.json none is
// recorded.
ROBOIMI_EXPORT void restrict_to_recorded_plugins(const ConfigNode& config,
                                                 const std::filesystem::path& folder);

// Whether the configuration in `file` is that of a run: there is a run.json beside it.
ROBOIMI_EXPORT bool is_configuration_of_run(const std::filesystem::path& file);

}  // namespace roboimi
