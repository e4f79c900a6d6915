// Searches config files. Internal to config.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/config/node.h"

namespace roboimi::config {

using Folders = std::vector<std::filesystem::path>;

// Without the folders that an earlier path already names.
Folders without_duplicates(const Folders& folders);

// The file of `config`: a path, or else a name in `folders`, with or without ".yaml". Throws Error
// if there is none.
std::filesystem::path find_experiment(const std::string& config, const Folders& folders);

// A file of a group. `found_as` is the path of the group folder that contains it
// ("agent/backbone").
struct GroupFile {
  std::filesystem::path file;
  std::string found_as;
};

// The first of FOLDER/GROUP/NAME.yaml over `folders` and, in each, over `groups`.
std::optional<GroupFile> file_in_groups(const std::string& name,
                                        const std::vector<std::string>& groups,
                                        const Folders& folders);
// The same. Throws Error with the available names and the folders searched if there is no such
// file; `where` is the location of the choice.
GroupFile find_in_groups(const std::string& name, const std::vector<std::string>& groups,
                         const Folders& folders, const SourceLocation& where);

// Returns whether any of `folders` has a folder `group`.
bool group_exists(const std::string& group, const Folders& folders);

}  // namespace roboimi::config
