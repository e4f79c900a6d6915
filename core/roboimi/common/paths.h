// Functions for paths given by users: expanding `~`, absolute paths, checks before anything is
// created, and quoting for a shell.
//
//   absolute_path("~/data");    // /home/me/data
//   absolute_path("./data");    // /current/folder/data
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "roboimi/common/export.h"

namespace roboimi {

// The user's home folder: $HOME, else the one in the user database. Empty if neither is known.
ROBOIMI_EXPORT std::filesystem::path home_folder();

// The user's folder of caches: $XDG_CACHE_HOME/roboimi, else ~/.cache/roboimi. Empty if neither is
// an absolute path.
ROBOIMI_EXPORT std::filesystem::path user_cache_folder();

// Replaces a leading `~` or `~user` by that home folder, as a shell does; other paths are
// unchanged. For a file whose name begins with `~`, write `./~x`. Throws Error if the user or the
// home folder is unknown.
ROBOIMI_EXPORT std::string expand_home(std::string_view path);

// The absolute path, with `~` expanded. An empty path stays empty.
ROBOIMI_EXPORT std::filesystem::path absolute_path(const std::filesystem::path& path);

// The folder, or its nearest parent that exists.
ROBOIMI_EXPORT std::filesystem::path nearest_existing(const std::filesystem::path& folder);

// Throws Error unless files can be created in `folder`, which need not exist yet: it or its nearest
// existing parent must be a folder with write permission, and no name may be too long. `named_by`
// is the option that set the path. Creates nothing.
ROBOIMI_EXPORT void require_writable_folder(const std::filesystem::path& folder,
                                            const std::string& named_by);

// The same for a file that will be written or overwritten.
ROBOIMI_EXPORT void require_writable_file(const std::filesystem::path& file,
                                          const std::string& named_by);

// Puts the word in single quotes for a POSIX shell.
ROBOIMI_EXPORT std::string shell_quote(const std::string& word);
// The same, but without quotes if the shell needs none: for commands shown to users.
ROBOIMI_EXPORT std::string shell_word(const std::string& word);

}  // namespace roboimi
