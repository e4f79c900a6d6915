// Plugin files: found, opened once, and remembered.
#include "roboimi/plugin/registry.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>

#include "roboimi/common/install_prefix.h"
#include "roboimi/common/paths.h"
#include "roboimi/plugin/registry_state.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

using Lock = std::lock_guard<std::recursive_mutex>;

// `~` and links resolved and made absolute, so that one file has one name in every text.
fs::path tidy(const fs::path& written) {
  const fs::path file = expand_home(written.string());
  std::error_code ignored;
  const fs::path canonical = fs::canonical(file, ignored);
  return canonical.empty() ? fs::absolute(file) : canonical;
}

Error named(const fs::path& file, Error::Parts parts) {
  parts.where = file.string();
  return Error(std::move(parts));
}

// The *.so files of a folder, in the order of their names; none when it cannot be read.
std::vector<fs::path> libraries_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    if (entry->path().extension() == ".so" && !entry->is_directory(ignored)) {
      files.push_back(entry->path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

// A name that two files claim is the one rejection that load_search_path() may not swallow.
class DuplicatePlugin : public Error {
 public:
  using Error::Error;
};

}  // namespace

Registry::Registry() : state_(new State) {}

Registry& Registry::instance() {
  // Leaked: components' code must outlive every static object that might still hold one.
  static Registry* const registry = new Registry;
  return *registry;
}

void Registry::State::reject(const fs::path& file, const FileIdentity& identity,
                             Error::Parts problem) {
  problem.where.clear();
  std::erase_if(rejected, [&](const Rejected& r) { return r.plugin.file == file; });
  rejected.push_back({{file, Error(problem).what()}, identity, problem});
  throw named(file, problem);
}

const Registry::State::Loaded* Registry::State::find_loaded(const fs::path& file,
                                                            const FileIdentity& identity) {
  for (Loaded& known : loaded) {
    if (!known.identity) continue;
    if (!known.identity->same_inode(identity) && known.plugin.file != file) continue;
    if (*known.identity != identity && !known.reported_change) {
      known.reported_change = true;
      spdlog::warn(
          "{}: the file changed after the plugin '{}' was loaded from it: restart to use "
          "it",
          file.string(), known.plugin.name);
    }
    return &known;
  }
  return nullptr;
}

Registry::State::Loaded Registry::State::open(const fs::path& file, const FileIdentity& identity) {
  const Fingerprint fingerprint = check_plugin_file(file);
  const std::string name = plugin_name_of(fingerprint);
  for (const Loaded& known : loaded) {
    if (known.plugin.name != name) continue;
    const std::string other =
        known.identity ? known.plugin.file.string() : std::string("this program");
    throw DuplicatePlugin({.what = fmt::format("a plugin '{}' is loaded already", name),
                           .expected = "one file for each plugin name",
                           .found = fmt::format("{} and {}", other, file.string()),
                           .next = "take one of the two away"});
  }
  const PluginDescriptor& descriptor = open_plugin(file, fingerprint);
  components.add(name, collect_components(descriptor));
  return {.plugin = {.name = name,
                     .version = descriptor.version,
                     .description = descriptor.description,
                     .file = file},
          .identity = identity};
}

std::string Registry::State::load(const fs::path& given) {
  const auto identity = identity_of(given);
  const fs::path file = tidy(given);
  if (!identity || fs::is_directory(file)) {
    throw named(given, {.what = "cannot load the plugin",
                        .expected = "a shared library",
                        .found = identity ? "a folder" : "no such file",
                        .next = "give the path of a .so, from the current folder or absolute"});
  }
  if (const Loaded* known = find_loaded(file, *identity)) return known->plugin.name;
  // A file that was rejected and has not changed since would only be rejected again.
  for (const Rejected& known : rejected) {
    if (known.identity == *identity) throw named(known.plugin.file, known.problem);
  }
  try {
    loaded.push_back(open(file, *identity));
  } catch (const DuplicatePlugin& error) {
    try {
      reject(file, *identity, error.parts());
    } catch (const Error& named_error) {
      throw DuplicatePlugin(named_error.parts());
    }
  } catch (const Error& error) {
    reject(file, *identity, error.parts());
  } catch (const std::exception& error) {
    reject(file, *identity, {.what = one_line_message(error)});
  }
  std::erase_if(rejected, [&](const Rejected& r) { return r.plugin.file == file; });
  spdlog::debug("loaded the plugin '{}' from {}", loaded.back().plugin.name, file.string());
  return loaded.back().plugin.name;
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
        state_->load(file);
      } catch (const DuplicatePlugin& error) {
        if (!duplicate) duplicate = error;
      } catch (const Error& error) {
        spdlog::debug("passed over a plugin: {}", error.what());
      }
    }
  }
  if (duplicate) throw Error(duplicate->parts());
}

std::string Registry::load(const fs::path& file) {
  const Lock lock(state_->mutex);
  return state_->load(file);
}

void Registry::add(const std::string& plugin, Registrar registrar) {
  const Lock lock(state_->mutex);
  for (const State::Loaded& known : state_->loaded) {
    if (known.plugin.name == plugin) {
      throw Error({.what = fmt::format("a plugin '{}' is there already", plugin),
                   .found = known.plugin.file.string(),
                   .next = "give the linked components another plugin name"});
    }
  }
  state_->components.add(plugin, std::move(registrar));
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

std::vector<ComponentInfo> Registry::components() const {
  const Lock lock(state_->mutex);
  return state_->components.infos();
}

std::vector<fs::path> plugin_search_path(const std::vector<fs::path>& plugin_dirs) {
  std::vector<fs::path> folders;
  const auto add = [&](const fs::path& folder) {
    const fs::path tidied = tidy(folder);
    if (std::ranges::find(folders, tidied) == folders.end()) folders.push_back(tidied);
  };
  for (const fs::path& folder : plugin_dirs) add(folder);
  if (const char* variable = std::getenv("ROBOIMI_PLUGIN_PATH")) {
    std::stringstream list(variable);
    for (std::string folder; std::getline(list, folder, ':');) {
      if (!folder.empty()) add(folder);
    }
  }
  const fs::path prefix = install_prefix();
  if (!prefix.empty()) add(prefix / "lib" / "roboimi" / "plugins");
  return folders;
}

}  // namespace roboimi
