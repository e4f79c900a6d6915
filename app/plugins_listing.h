// `roboimi plugins list` and `inspect`: what the registry holds after the plugins are loaded.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace roboimi::app {

// Loads the plugins of the search path. Returns the error, if any: two files with the same plugin
// name must not prevent the others from being listed.
std::string load_plugins(const std::vector<std::filesystem::path>& plugin_dirs);

enum class ListForm { kText, kJson, kMarkdown };

// Prints all components, and the rejected and shadowed files. Returns the exit status.
int list_plugins(const std::vector<std::filesystem::path>& plugin_dirs, ListForm form);

// Prints the options of the component `name`, or of all components of the plugin or file `name`.
// Throws Error for an unknown name.
int inspect_components(const std::string& name,
                       const std::vector<std::filesystem::path>& plugin_dirs, bool as_json);

}  // namespace roboimi::app
