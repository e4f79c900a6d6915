// Paths as users write them: `~`, absolute paths, checks before anything is created, and quotes for
// a shell.
//
//   absolute_path("~/data");    // /home/me/data
//   absolute_path("./data");    // /current/folder/data
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "roboimi/common/export.h"

namespace roboimi {

// The user's home folder: $HOME, or without it the account's. Empty when neither is known.
ROBOIMI_EXPORT std::filesystem::path home_folder();

// The path with a leading `~` or `~user` replaced by that home folder, as a shell does; any other
// path unchanged. `./~x` names a file whose name begins with `~`. Error when the user or the home
// folder is unknown.
ROBOIMI_EXPORT std::string expand_home(std::string_view path);

// The path from the root folder, with `~` expanded: it means the same from any current folder. An
// empty path stays empty.
ROBOIMI_EXPORT std::filesystem::path absolute_path(const std::filesystem::path& path);

// The folder itself, or its nearest parent that exists.
ROBOIMI_EXPORT std::filesystem::path nearest_existing(const std::filesystem::path& folder);

// Error unless files can be created in `folder`, which may not exist yet: it, or the nearest
// parent, must be a folder with write permission, and no name may be too long. `named_by` is the
// option that chose it. Creates nothing.
ROBOIMI_EXPORT void require_writable_folder(const std::filesystem::path& folder,
                                            const std::string& named_by);

// The same for a file that is to be written, or written anew.
ROBOIMI_EXPORT void require_writable_file(const std::filesystem::path& file,
                                          const std::string& named_by);

// The word in single quotes for a POSIX shell.
ROBOIMI_EXPORT std::string shell_quote(const std::string& word);
// The same, but without quotes where the shell needs none: for commands shown to people.
ROBOIMI_EXPORT std::string shell_word(const std::string& word);

}  // namespace roboimi
