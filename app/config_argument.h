// The config of a command line: `--config CONFIG`, or its first word that is not an override. Also
// the errors for the config of another command.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "app/common_options.h"
#include "roboimi/config/compose.h"

namespace roboimi::app {

// KEY=VALUE, +KEY=VALUE or ~KEY.
bool is_override(const std::string& word);

// Removes and returns the first word that is not an override; empty if there is none.
std::string take_name(std::vector<std::string>& words);

// `roboimi run CONFIG` means `roboimi run --config CONFIG`: sets `option` of `parsed` to the first
// word that is not an override, unless the option is given.
void take_positional(ParsedArguments& parsed, const std::string& option);

// compose_any() for `roboimi collect`. Throws Error if the config is one for `roboimi run`.
ComposedConfig compose_collection(const std::string& config,
                                  const std::vector<std::string>& overrides,
                                  const std::vector<std::filesystem::path>& config_dirs,
                                  const std::vector<std::filesystem::path>& plugin_dirs);

// compose_experiment(). Throws Error if the config is one for `roboimi collect`. The registry's
// plugins must be loaded.
ComposedConfig compose_training(const std::string& config,
                                const std::vector<std::string>& overrides,
                                const std::vector<std::filesystem::path>& config_dirs);

}  // namespace roboimi::app
