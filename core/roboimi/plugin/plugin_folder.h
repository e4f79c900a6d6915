// Functions for folders of plugins: the files in them, and who can write to them. Not installed
// API.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace roboimi {

// The absolute path with `~` and links resolved, so that a file has the same name in all messages.
std::filesystem::path tidy(const std::filesystem::path& written);

// The *.so files of a folder, sorted by name; empty if the folder cannot be read.
std::vector<std::filesystem::path> libraries_in(const std::filesystem::path& folder);

// Why somebody else could have put the library there: `file` or its folder is writable for
// every user, or belongs to a user other than root and this process's. Empty if neither is the case
// or there is no such file.
std::string who_else_can_write(const std::filesystem::path& file);

}  // namespace roboimi
