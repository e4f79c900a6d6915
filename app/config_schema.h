// The keys that a config may have: those of a collection if it has a `writer`, else those of an
// experiment.
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

// Throws Error for an unknown key or an invalid value outside of components. Loads no plugin.
void check_sections(const ConfigNode& root);

// compose_config() with these keys and those of the chosen components. Loads the plugins of the
// search path only if an override sets a key that is in no file.
ComposedConfig compose_any(const std::string& config, const std::vector<std::string>& overrides,
                           const std::vector<std::filesystem::path>& config_dirs,
                           const std::vector<std::filesystem::path>& plugin_dirs);

}  // namespace roboimi::app
