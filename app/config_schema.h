// Which keys a config may have: an experiment's, or a collection's where it has a `writer`.
//
//   const ComposedConfig config = compose_any("collect_sim_transfer.yaml", overrides, {}, {});
//   const Schema schema = schema_of_config(config.root);
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "roboimi/config/compose.h"
#include "roboimi/config/node.h"
#include "roboimi/config/schema.h"

namespace roboimi::app {

Schema schema_of_config(const ConfigNode& root);

// compose_config() with these keys and those of the components that are chosen. Loads the plugins
// of the search path only for an override of a key that no file writes.
ComposedConfig compose_any(const std::string& config, const std::vector<std::string>& overrides,
                           const std::vector<std::filesystem::path>& config_dirs,
                           const std::vector<std::filesystem::path>& plugin_dirs);

}  // namespace roboimi::app
