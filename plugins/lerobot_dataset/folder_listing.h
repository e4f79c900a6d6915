// Listing of folders in which a folder without permission is an error, not an empty one.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace roboimi::lerobot_dataset {

// Whether there is a file or folder of that name. Throws Error if a folder on the way to it cannot
// be searched.
bool can_be_found(const std::filesystem::path& path);

// The files below `folder` with this extension that are not hidden, sorted. Links are followed. No
// files if there is no such folder; throws Error if it, or one below, cannot be read.
std::vector<std::filesystem::path> files_below(const std::filesystem::path& folder,
                                               const std::string& extension);

}  // namespace roboimi::lerobot_dataset
