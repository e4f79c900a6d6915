#include "roboimi/config/search.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "roboimi/common/error.h"
#include "roboimi/common/install_prefix.h"
#include "roboimi/common/paths.h"
#include "roboimi/common/text.h"
#include "roboimi/config/compose.h"
#include "roboimi/config/describe.h"
#include "roboimi/config/did_you_mean.h"

namespace roboimi {
namespace fs = std::filesystem;

std::vector<fs::path> config_search_path(const std::vector<fs::path>& config_dirs) {
  std::vector<fs::path> folders;
  for (const fs::path& folder : config_dirs) folders.emplace_back(expand_home(folder.string()));
  if (const char* variable = std::getenv("ROBOIMI_CONFIG_PATH")) {
    std::istringstream entries(variable);
    for (std::string entry; std::getline(entries, entry, ':');) {
      if (!entry.empty()) folders.emplace_back(expand_home(entry));
    }
  }
  const fs::path prefix = install_prefix();
  if (!prefix.empty()) folders.push_back(prefix / "share/roboimi/configs");
  if (const fs::path source = source_tree(prefix); !source.empty()) {
    folders.push_back(source / "configs");
  }
  return config::without_duplicates(folders);
}

namespace config {
namespace {

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

std::string without_extension(const std::string& name) {
  return name.ends_with(".yaml") ? name.substr(0, name.size() - 5) : name;
}

// The names of the config files in `folders`, not in subfolders, sorted.
std::vector<std::string> config_names(const Folders& folders) {
  std::set<std::string> names;
  for (const fs::path& folder : folders) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      if (entry.path().extension() == ".yaml") names.insert(entry.path().stem().string());
    }
  }
  return {names.begin(), names.end()};
}

std::string join_paths(const Folders& folders) {
  std::vector<std::string> texts;
  for (const fs::path& folder : folders) texts.push_back(folder.string());
  return join(texts);
}

}  // namespace

Folders without_duplicates(const Folders& folders) {
  Folders unique;
  std::set<fs::path> seen;
  for (const fs::path& folder : folders) {
    std::error_code error;
    const fs::path canonical = fs::weakly_canonical(folder, error);
    if (seen.insert(error ? folder : canonical).second) unique.push_back(folder);
  }
  return unique;
}

fs::path find_experiment(const std::string& given, const Folders& folders) {
  if (given.empty()) throw Error({.what = "no config given", .expected = "a path or a name"});
  const std::string config = expand_home(given);
  Folders bases = {fs::path()};
  if (!fs::path(config).is_absolute()) bases.insert(bases.end(), folders.begin(), folders.end());
  for (const fs::path& base : bases) {
    for (const std::string& name : {config, config + ".yaml"}) {
      if (is_file(base / name)) return base / name;
    }
  }
  std::string next =
      did_you_mean(without_extension(fs::path(config).filename().string()), config_names(folders));
  if (next.empty()) next = "add a folder with --config-dir or ROBOIMI_CONFIG_PATH";
  throw Error({.what = "no config '" + printable(config) + "'",
               .expected = "a path, or the name of a file in " + join_paths(folders),
               .next = next});
}

std::optional<GroupFile> file_in_groups(const std::string& name,
                                        const std::vector<std::string>& groups,
                                        const Folders& folders) {
  for (const fs::path& folder : folders) {
    for (const std::string& group : groups) {
      const fs::path file = folder / group / (without_extension(name) + ".yaml");
      if (is_file(file)) return GroupFile{file, group};
    }
  }
  return std::nullopt;
}

GroupFile find_in_groups(const std::string& name, const std::vector<std::string>& groups,
                         const Folders& folders, const SourceLocation& where) {
  if (const auto found = file_in_groups(name, groups, folders)) return *found;
  // List the files that could have been chosen.
  const std::string stem = without_extension(name);
  Folders searched;
  for (const fs::path& folder : folders) {
    for (const std::string& group : groups) searched.push_back(folder / group);
  }
  searched = without_duplicates(searched);
  const std::vector<std::string> names = config_names(searched);
  const std::string group = groups.front();
  // Suggest one of them, or a sweep for several names separated by commas.
  std::string next = did_you_mean(stem, names);
  std::istringstream parts(name);
  bool is_sweep = name.find(',') != std::string::npos;
  for (std::string part; std::getline(parts, part, ',');) {
    is_sweep = is_sweep && std::find(names.begin(), names.end(), part) != names.end();
  }
  if (is_sweep) next = "--multirun runs each of several values;";
  if (!next.empty()) next += " ";
  throw Error({.what = group.empty() ? "no config '" + printable(name) + "'"
                                     : "no '" + printable(name) + "' in the group '" + group + "'",
               .where = where.to_string(),
               .expected = names.empty() ? "a file " + stem + ".yaml" : "one of " + join(names),
               .next = next + "searched " + join_paths(searched)});
}

bool group_exists(const std::string& group, const Folders& folders) {
  return std::any_of(folders.begin(), folders.end(),
                     [&](const fs::path& folder) { return is_folder(folder / group); });
}

}  // namespace config
}  // namespace roboimi
