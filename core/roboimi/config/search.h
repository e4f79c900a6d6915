// Where config files are looked for. Internal to config.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/config/node.h"

namespace roboimi::config {

using Folders = std::vector<std::filesystem::path>;

// The experiment `config` as given, then by name in `folders`, with or without ".yaml".
std::filesystem::path find_experiment(const std::string& config, const Folders& folders);

// A file of a group: `found_as` is the group path under which it lies ("agent/backbone").
struct GroupFile {
  std::filesystem::path file;
  std::string found_as;
};

// The first of FOLDER/GROUP/NAME.yaml over `folders` and, in each, over `groups`.
std::optional<GroupFile> file_in_groups(const std::string& name,
                                        const std::vector<std::string>& groups,
                                        const Folders& folders);
// The same, or an error that names the choices there are and the folders searched; `where` is the
// place of the choice.
GroupFile find_in_groups(const std::string& name, const std::vector<std::string>& groups,
                         const Folders& folders, const SourceLocation& where);

// Whether any of `folders` has a folder `group`.
bool group_exists(const std::string& group, const Folders& folders);

}  // namespace roboimi::config
