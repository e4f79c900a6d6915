// Folders of plugins: which are searched, what lies in them, and who can write to them. Not
// installed API.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace roboimi {

// `~` and links resolved and made absolute, so that one file has one name in every message.
std::filesystem::path tidy(const std::filesystem::path& written);

// The *.so files of a folder, in the order of their names; none when it cannot be read.
std::vector<std::filesystem::path> libraries_in(const std::filesystem::path& folder);

// Why a library could have been put there by somebody else than its user: `file` or its folder can
// be written to by everybody, or belongs to another user than root and the one of this process.
// Empty when neither is so, or when there is no such file.
std::string who_else_can_write(const std::filesystem::path& file);

}  // namespace roboimi
