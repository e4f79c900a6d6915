// Paths as users write them.
//
//   absolute_path("~/data");    // /home/me/data
//   absolute_path("./data");    // /current/folder/data
#pragma once

#include <filesystem>
#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

// The user's home folder: $HOME, or without it the account's. Empty when neither is known.
ROBOIMI_EXPORT std::filesystem::path home_folder();

// The path with a leading `~` or `~USER` replaced by that home folder, as a shell does. Unchanged
// when there is no `~` in front or the home folder is not known.
ROBOIMI_EXPORT std::filesystem::path expand_home(const std::filesystem::path& path);

// The path from the root folder, with `~` expanded: it means the same from any current folder. An
// empty path stays empty.
ROBOIMI_EXPORT std::filesystem::path absolute_path(const std::filesystem::path& path);

}  // namespace roboimi
