#include "app/plugins_listing.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "app/option_table.h"
#include "roboimi/common/error.h"
#include "roboimi/common/json_text.h"
#include "roboimi/common/paths.h"
#include "roboimi/config/did_you_mean.h"
#include "roboimi/plugin/registry.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const LoadedPlugin& plugin_of(const std::vector<LoadedPlugin>& plugins, const ComponentInfo& info) {
  for (const LoadedPlugin& plugin : plugins) {
    if (plugin.name == info.plugin && plugin.file == info.file) return plugin;
  }
  throw Error("no plugin '" + info.plugin + "'");
}

json component_json(const ComponentInfo& info, const LoadedPlugin& plugin) {
  return {{"kind", to_string(info.kind)},
          {"name", info.name},
          {"description", info.description},
          {"plugin", plugin.name},
          {"version", plugin.version},
          {"file", plugin.file.string()},
          {"changed_on_disk", plugin.changed_on_disk}};
}

// The component of this name, or all components of the plugin of this name.
std::vector<ComponentInfo> components_named(const std::string& name) {
  std::vector<ComponentInfo> found;
  std::vector<std::string> names;
  for (const ComponentInfo& info : Registry::instance().components()) {
    if (info.name == name || info.plugin == name) found.push_back(info);
    names.push_back(info.name);
    names.push_back(info.plugin);
  }
  if (!found.empty()) return found;
  throw Error(
      {.what = "no plugin or component '" + name + "'",
       .next = did_you_mean_part(
           name, names, "`roboimi plugins list` shows all components and the rejected files")});
}

// The components to inspect. A file may have the plugin name of another one in the search path, so
// only the file is loaded.
std::vector<ComponentInfo> inspected_components(const std::string& name,
                                                const std::vector<fs::path>& plugin_dirs) {
  const bool is_file = name.ends_with(".so") || name.find('/') != std::string::npos;
  if (is_file) return components_named(Registry::instance().load(expand_home(name)));
  load_plugins(plugin_dirs);
  return components_named(name);
}

}  // namespace

std::string load_plugins(const std::vector<fs::path>& plugin_dirs) {
  try {
    Registry::instance().load_search_path(plugin_dirs);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

int list_plugins(const std::vector<fs::path>& plugin_dirs, ListForm form) {
  const std::string problem = load_plugins(plugin_dirs);
  const Registry& registry = Registry::instance();
  const auto plugins = registry.plugins();
  const auto rejected = registry.rejected();
  // For programs.
  if (form == ListForm::kJson) {
    json all = {
        {"components", json::array()}, {"rejected", json::array()}, {"shadowed", json::array()}};
    for (const ComponentInfo& info : registry.components()) {
      all["components"].push_back(component_json(info, plugin_of(plugins, info)));
    }
    for (const RejectedPlugin& file : rejected) {
      all["rejected"].push_back({{"file", file.file.string()}, {"reason", file.reason}});
    }
    for (const ShadowedPlugin& plugin : registry.shadowed()) {
      all["shadowed"].push_back(
          {{"name", plugin.name}, {"file", plugin.file.string()}, {"by", plugin.by.string()}});
    }
    for (const fs::path& folder : plugin_search_path(plugin_dirs)) {
      all["searched"].push_back(folder.string());
    }
    fmt::print("{}\n", json_text(all));
    return problem.empty() ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  if (form == ListForm::kMarkdown) {
    fmt::print("| kind | name | version | what it is |\n|---|---|---|---|\n");
    for (const ComponentInfo& info : registry.components()) {
      fmt::print("| {} | `{}` | {} | {} |\n", to_string(info.kind), info.name,
                 plugin_of(plugins, info).version, info.description);
    }
    return problem.empty() ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  // For readers.
  for (const ComponentInfo& info : registry.components()) {
    const LoadedPlugin& plugin = plugin_of(plugins, info);
    fmt::print("{:<15} {:<22} {:<8} {}\n{:<15} {}{}\n", to_string(info.kind), info.name,
               plugin.version, info.description, "", plugin.file.string(),
               plugin.changed_on_disk ? " (changed since it was loaded: restart to use it)" : "");
  }
  if (plugins.empty()) {
    fmt::print("no plugin found in:\n");
    for (const fs::path& folder : plugin_search_path(plugin_dirs)) {
      fmt::print("  {}\n", folder.string());
    }
  }
  if (!rejected.empty()) fmt::print("\nrejected:\n");
  for (const RejectedPlugin& file : rejected) {
    fmt::print("  {}\n    {}\n", file.file.string(), file.reason);
  }
  const auto shadowed = registry.shadowed();
  if (!shadowed.empty()) fmt::print("\nshadowed by an earlier folder:\n");
  for (const ShadowedPlugin& plugin : shadowed) {
    fmt::print("  {}\n    the plugin '{}' is loaded from {}\n", plugin.file.string(), plugin.name,
               plugin.by.string());
  }
  return problem.empty() ? EXIT_SUCCESS : EXIT_FAILURE;
}

int inspect_components(const std::string& name, const std::vector<fs::path>& plugin_dirs,
                       bool as_json) {
  const std::vector<ComponentInfo> components = inspected_components(name, plugin_dirs);
  const auto plugins = Registry::instance().plugins();
  json all = json::array();
  for (const ComponentInfo& info : components) {
    const LoadedPlugin& plugin = plugin_of(plugins, info);
    json described = component_json(info, plugin);
    described["options"] = option_json(info.schema);
    all.push_back(described);
    if (as_json) continue;
    fmt::print("{} {}: {}\n", to_string(info.kind), info.name, info.description);
    fmt::print("  plugin {} {} ({})\n  {}\n\n", plugin.name, plugin.version, plugin.description,
               plugin.file.string());
    fmt::print("{}\n",
               info.schema.options().empty() ? "  no options\n" : option_table(info.schema));
  }
  if (as_json) fmt::print("{}\n", json_text(all));
  return EXIT_SUCCESS;
}

}  // namespace roboimi::app
