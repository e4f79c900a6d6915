// A guard that restricts the plugins of a run's configuration to those the run was trained with.
//
//   restrict_to_recorded_plugins(config, "runs/2026...");
//
// A run's folder may come from somebody else, and a `plugin: FILE` in its config.yaml loads code.
#pragma once

#include <filesystem>

#include "roboimi/common/export.h"
#include "roboimi/config/node.h"

namespace roboimi {

// Restricts the plugins that `config` names (Registry::restrict_plugins) to those recorded in
// run.json. `folder` is a run's folder or one of its checkpoints. Without a readable run.json, no
// plugin counts as recorded.
ROBOIMI_EXPORT void restrict_to_recorded_plugins(const ConfigNode& config,
                                                 const std::filesystem::path& folder);

// Whether `file` is the configuration of a run: there is a run.json in the same folder.
ROBOIMI_EXPORT bool is_configuration_of_run(const std::filesystem::path& file);

}  // namespace roboimi
