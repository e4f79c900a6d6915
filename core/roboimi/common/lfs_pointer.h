// Recognizes Git LFS pointers: text files of about 130 bytes that a clone without Git LFS contains
// in place of the large files.
//
//   refuse_lfs_pointer(file, "cannot open the video", "an MP4 file");
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "roboimi/common/export.h"

namespace roboimi {

// The first bytes of every pointer, and the wording of errors about one.
inline constexpr std::string_view kLfsPointerStart = "version https://git-lfs";
inline constexpr const char* kLfsPointerFound = "a Git LFS pointer instead of the data";
inline constexpr const char* kLfsPointerNext = "fetch the data: git lfs pull";

// Throws Error with `what` and `expected` if the file is a Git LFS pointer. A file that cannot be
// opened is not one.
ROBOIMI_EXPORT void refuse_lfs_pointer(const std::filesystem::path& file, const std::string& what,
                                       const std::string& expected);

}  // namespace roboimi
