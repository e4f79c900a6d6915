// The part of the registry that finds and opens plugin files.
#include "roboimi/plugin/registry.h"

#include <fmt/format.h>

#include <algorithm>

#include "roboimi/common/log.h"
#include "roboimi/plugin/crash_note.h"
#include "roboimi/plugin/plugin_folder.h"
#include "roboimi/plugin/registry_state.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

using Lock = std::lock_guard<std::recursive_mutex>;

Error with_file(const fs::path& file, Error::Parts parts) {
  parts.where = file.string();
  return Error(std::move(parts));
}

// Two files with the same plugin name: the only rejection that load_search_path() must report.
class DuplicatePlugin : public Error {
 public:
  using Error::Error;
};

}  // namespace

Registry::Registry() : state_(new State) {}

Registry& Registry::instance() {
  // Leaked: the code of components must outlive every static object that may still hold one.
  static Registry* const registry = new Registry;
  return *registry;
}

void Registry::State::reject(const fs::path& file, const FileIdentity& identity,
                             Error::Parts problem) {
  problem.where.clear();
  std::erase_if(rejected, [&](const Rejected& r) { return r.plugin.file == file; });
  rejected.push_back({{file, Error(problem).what()}, identity, problem});
  throw with_file(file, problem);
}

const Registry::State::Loaded* Registry::State::find_loaded(const fs::path& file,
                                                            const FileIdentity& identity) {
  for (Loaded& known : loaded) {
    if (!known.identity) continue;
    if (!known.identity->same_inode(identity) && known.plugin.file != file) continue;
    if (*known.identity != identity && !known.reported_change) {
      known.reported_change = true;
      logger().warn(
          "{}: the file changed after the plugin '{}' was loaded from it; restart to use the new "
          "file",
          file.string(), known.plugin.name);
    }
    return &known;
  }
  return nullptr;
}

// Opens a file, unless a loaded plugin has the same name.
const Registry::State::Loaded* Registry::State::open(const fs::path& file,
                                                     const FileIdentity& identity, Origin origin,
                                                     const fs::path& folder) {
  // Check for a loaded plugin of the same name.
  const Fingerprint fingerprint = check_plugin_file(file);
  const std::string name = plugin_name_of(fingerprint);
  for (const Loaded& known : loaded) {
    if (known.plugin.name != name || origin == Origin::kConfig) continue;
    if (origin == Origin::kSearchPath && known.folder != folder) {
      shadowed.push_back({.name = name, .file = file, .by = known.plugin.file});
      return nullptr;
    }
    const std::string other =
        known.identity ? known.plugin.file.string() : std::string("this program");
    throw DuplicatePlugin({.what = fmt::format("a plugin '{}' is already loaded", name),
                           .expected = "one file per plugin name",
                           .found = fmt::format("{} and {}", other, file.string()),
                           .next = "remove one of the two"});
  }
  // Warn, once per folder, if somebody else could have written the file.
  const std::string writer = who_else_can_write(file);
  if (!writer.empty() && is_new("writable: " + file.parent_path().string())) {
    logger().warn("opening the plugin '{}' although {}; its code runs with your permissions", name,
                  writer);
  }
  // Open it and add its components.
  const CrashNote note(fmt::format(
      "the plugin file {} crashed the process while it was opened; run `roboimi plugins check` on "
      "it to find out why",
      file.string()));
  const PluginDescriptor& descriptor = open_plugin(file, fingerprint);
  components.add(name, file, collect_components(descriptor),
                 origin == Origin::kConfig ? ComponentTable::TakenName::kByFileOnly
                                           : ComponentTable::TakenName::kError);
  return &loaded.emplace_back(Loaded{.plugin = {.name = name,
                                                .version = descriptor.version,
                                                .description = descriptor.description,
                                                .file = file},
                                     .identity = identity,
                                     .folder = folder});
}

const Registry::State::Loaded* Registry::State::load(const fs::path& given, Origin origin,
                                                     const fs::path& folder) {
  const auto identity = identity_of(given);
  const fs::path file = tidy(given);
  if (!identity || fs::is_directory(file)) {
    throw with_file(given, {.what = "cannot load the plugin",
                            .expected = "a shared library",
                            .found = identity ? "a folder" : "no such file",
                            .next = "give the path of a .so file, absolute or relative to the "
                                    "current folder"});
  }
  // Files that are already loaded, shadowed or rejected are not opened again.
  if (const Loaded* known = find_loaded(file, *identity)) return known;
  if (origin == Origin::kSearchPath &&
      std::ranges::find(shadowed, file, &ShadowedPlugin::file) != shadowed.end()) {
    return nullptr;
  }
  for (const Rejected& known : rejected) {
    if (known.identity == *identity && !known.is_duplicate) {
      throw with_file(known.plugin.file, known.problem);
    }
  }
  // Open it, and remember why it was rejected.
  const Loaded* opened = nullptr;
  try {
    opened = open(file, *identity, origin, folder);
  } catch (const DuplicatePlugin& error) {
    try {
      reject(file, *identity, error.parts());
    } catch (const Error& named_error) {
      rejected.back().is_duplicate = true;
      throw DuplicatePlugin(named_error.parts());
    }
  } catch (const Error& error) {
    reject(file, *identity, error.parts());
  } catch (const std::exception& error) {
    reject(file, *identity, {.what = one_line_message(error)});
  }
  std::erase_if(rejected, [&](const Rejected& r) { return r.plugin.file == file; });
  if (opened != nullptr) {
    std::erase_if(shadowed, [&](const ShadowedPlugin& s) { return s.file == file; });
    logger().debug("loaded the plugin '{}' from {}", opened->plugin.name, file.string());
  }
  return opened;
}

void Registry::load_search_path(const std::vector<fs::path>& plugin_dirs) {
  const Lock lock(state_->mutex);
  std::optional<DuplicatePlugin> duplicate;
  for (const fs::path& folder : plugin_search_path(plugin_dirs)) {
    if (std::ranges::find(state_->searched, folder) == state_->searched.end()) {
      state_->searched.push_back(folder);
    }
    for (const fs::path& file : libraries_in(folder)) {
      try {
        state_->load(file, State::Origin::kSearchPath, folder);
      } catch (const DuplicatePlugin& error) {
        if (!duplicate) duplicate = error;
      } catch (const Error& error) {
        logger().debug("skipped a plugin: {}", error.what());
      }
    }
  }
  if (duplicate) throw Error(duplicate->parts());
}

std::string Registry::load(const fs::path& file) {
  const Lock lock(state_->mutex);
  return state_->load(file, State::Origin::kCaller)->plugin.name;
}

void Registry::add(const std::string& plugin, const Registrar& registrar) {
  const Lock lock(state_->mutex);
  for (const State::Loaded& known : state_->loaded) {
    if (known.plugin.name == plugin) {
      throw Error({.what = fmt::format("a plugin '{}' is already loaded", plugin),
                   .found = known.plugin.file.string(),
                   .next = "give the linked components another plugin name"});
    }
  }
  state_->components.add(plugin, {}, registrar);
  state_->loaded.push_back({.plugin = {.name = plugin, .description = "linked into this program"}});
}

std::vector<LoadedPlugin> Registry::plugins() const {
  const Lock lock(state_->mutex);
  std::vector<LoadedPlugin> all;
  for (const State::Loaded& known : state_->loaded) {
    all.push_back(known.plugin);
    if (!known.identity) continue;
    const auto now = identity_of(known.plugin.file);
    all.back().changed_on_disk = now && *now != *known.identity;
  }
  return all;
}

std::vector<RejectedPlugin> Registry::rejected() const {
  const Lock lock(state_->mutex);
  std::vector<RejectedPlugin> all;
  for (const State::Rejected& known : state_->rejected) all.push_back(known.plugin);
  return all;
}

std::vector<ShadowedPlugin> Registry::shadowed() const {
  const Lock lock(state_->mutex);
  return state_->shadowed;
}

std::vector<ComponentInfo> Registry::components() const {
  const Lock lock(state_->mutex);
  return state_->components.infos();
}

}  // namespace roboimi
