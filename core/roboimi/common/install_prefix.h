// The folder where this roboimi is installed. Plugins and configs are searched relative to it.
#pragma once

#include <filesystem>

#include "roboimi/common/export.h"

namespace roboimi {

// The parent of the folder of libroboimi.so: /opt/roboimi for /opt/roboimi/lib/libroboimi.so,
// build/release in the source tree. Empty if it cannot be determined.
ROBOIMI_EXPORT std::filesystem::path install_prefix();

// The source tree of a CMake build folder. Empty for any other folder: an installed copy has no
// source tree and must not use files from the folders above it.
ROBOIMI_EXPORT std::filesystem::path source_tree(const std::filesystem::path& prefix);

}  // namespace roboimi
