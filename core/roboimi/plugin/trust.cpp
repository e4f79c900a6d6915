// Which libraries a configuration that came with somebody's weights may have opened.
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

// The files of a configuration in which a `plugin:` stands.
void add_naming_files(const ConfigNode& node, std::set<std::string>& files) {
  if (node.is_map()) {
    for (const auto& [key, value] : node.entries()) {
      if (key == "plugin") files.insert(value.location().file);
      add_naming_files(value, files);
    }
  } else if (node.is_sequence()) {
    for (const ConfigNode& item : node.items()) add_naming_files(item, files);
  }
}

// The plugin name of a file that is not opened: as recorded, as its note or its own name says.
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
  add_naming_files(config, files);
  files.erase(kCommandLine);
  const std::lock_guard lock(state_->mutex);
  for (const std::string& file : files) state_->restricted[file] = recorded;
}

const Registry::State::Loaded* Registry::State::in_place_of(const fs::path& file,
                                                            const std::string& config,
                                                            const std::string& path) {
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
  const std::string found = exists             ? "another file than the run recorded"
                            : recorded.empty() ? "no such file, and no record of the run's plugins"
                                               : "no such file";
  const std::string name = name_of(file, recorded);
  for (const Loaded& known : loaded) {
    if (known.plugin.name != name || (known.folder.empty() && known.identity)) continue;
    if (is_new(path + " instead of " + file.string())) {
      logger().warn(
          "{}: not opening {}, which {} names ({}); taking the plugin '{}' of {} instead "
          "(--trust-plugins opens it)",
          path, file.string(), config, found, name, known.plugin.file.string());
    }
    return &known;
  }
  throw Error(
      {.what = fmt::format("the library {} is not opened: it came with a run", file.string()),
       .where = config,
       .expected = "a library in a plugin folder, or the one whose SHA-256 run.json has",
       .found = found,
       .next = fmt::format("put the plugin '{}' into a plugin folder (--plugin-path), or "
                           "pass --trust-plugins if you trust the file",
                           name)});
}

const Registry::State::Loaded& Registry::State::library_of(const ConfigNode& node,
                                                           const std::string& path) {
  const fs::path file = resolve_plugin_file(node);
  const Loaded* instead = in_place_of(file, node.find("plugin")->location().file, path);
  return instead != nullptr ? *instead : *load(file, Origin::kConfig);
}

}  // namespace roboimi
