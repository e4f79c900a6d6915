// Restricts the libraries that may be opened for a configuration that comes with a run.
#include <fmt/format.h>

#include <algorithm>

#include "roboimi/common/hash.h"
#include "roboimi/common/log.h"
#include "roboimi/plugin/plugin_file.h"
#include "roboimi/plugin/plugin_folder.h"
#include "roboimi/plugin/registry_state.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

// Adds the files of a configuration that contain a `plugin:`.
void add_files_with_plugin(const ConfigNode& node, std::set<std::string>& files) {
  if (node.is_map()) {
    for (const auto& [key, value] : node.entries()) {
      if (key == "plugin") files.insert(value.location().file);
      add_files_with_plugin(value, files);
    }
  } else if (node.is_sequence()) {
    for (const ConfigNode& item : node.items()) add_files_with_plugin(item, files);
  }
}

// The plugin name of a file that is not opened: as recorded, from its note, or from its file name.
std::string name_of(const fs::path& file, const std::vector<RecordedPlugin>& recorded) {
  for (const RecordedPlugin& plugin : recorded) {
    if (plugin.file.filename() == file.filename()) return plugin.name;
  }
  try {
    return plugin_name_of(check_plugin_file(file));
  } catch (const std::exception&) {
    const std::string stem = file.stem().string();
    return stem.starts_with("lib") ? stem.substr(3) : stem;
  }
}

}  // namespace

void Registry::restrict_plugins(const ConfigNode& config,
                                const std::vector<RecordedPlugin>& recorded) {
  std::set<std::string> files;
  add_files_with_plugin(config, files);
  files.erase(kCommandLine);
  const std::lock_guard lock(state_->mutex);
  for (const std::string& file : files) state_->restricted[file] = recorded;
}

const Registry::State::Loaded* Registry::State::substitute_for(const fs::path& file,
                                                               const std::string& config,
                                                               const std::string& path) {
  // The file may be opened if it is not restricted, in a searched folder or recorded.
  const auto restriction = restricted.find(config);
  if (restriction == restricted.end()) return nullptr;
  const fs::path folder = tidy(file.has_parent_path() ? file.parent_path() : fs::path("."));
  if (std::ranges::find(searched, folder) != searched.end()) return nullptr;
  const bool exists = fs::is_regular_file(file);
  const std::string sum = exists ? sha256_file(file) : "";
  const std::vector<RecordedPlugin>& recorded = restriction->second;
  if (exists && std::ranges::find(recorded, sum, &RecordedPlugin::sha256) != recorded.end()) {
    return nullptr;
  }
  const bool was_recorded = std::ranges::any_of(recorded, [&](const RecordedPlugin& plugin) {
    return plugin.file.filename() == file.filename();
  });
  const std::string found =
      !exists        ? "no such file"
      : was_recorded ? "another SHA-256: the file was changed or rebuilt since the run was started"
                     : "a file that the run did not record";
  // Use the plugin of the same name in the search path.
  const std::string name = name_of(file, recorded);
  for (const Loaded& known : loaded) {
    if (known.plugin.name != name || (known.folder.empty() && known.identity)) continue;
    if (is_new(path + " instead of " + file.string())) {
      logger().warn(
          "{}: not opening {}, which {} names ({}); using the plugin '{}' from {} instead "
          "(--trust-plugins opens it)",
          path, file.string(), config, found, name, known.plugin.file.string());
    }
    return &known;
  }
  if (!exists) {
    throw Error({.what = fmt::format("the plugin library {} does not exist", file.string()),
                 .where = config,
                 .expected = fmt::format("this file, or the plugin '{}' in a plugin folder", name),
                 .next = "restore the file, or name the plugin's folder with --plugin-path"});
  }
  throw Error(
      {.what = fmt::format("the library {} is not opened, because a run's configuration names it",
                           file.string()),
       .where = config,
       .expected = "a library in a plugin folder, or one whose SHA-256 is in run.json",
       .found = found,
       .next = fmt::format("if it is your own build, add --trust-plugins (in C++, "
                           "PolicyOptions::trust_plugins); otherwise put the plugin '{}' into a "
                           "plugin folder (--plugin-path)",
                           name)});
}

const Registry::State::Loaded& Registry::State::library_of(const ConfigNode& node,
                                                           const std::string& path) {
  const fs::path file = resolve_plugin_file(node);
  const Loaded* instead = substitute_for(file, node.find("plugin")->location().file, path);
  return instead != nullptr ? *instead : *load(file, Origin::kConfig);
}

}  // namespace roboimi
