// Where this roboimi lies: plugins and configs are found from it, whatever program runs.
#pragma once

#include <filesystem>

#include "roboimi/common/export.h"

namespace roboimi {

// The folder above libroboimi.so's: /opt/roboimi for /opt/roboimi/lib/libroboimi.so, build/release
// in the source tree. Empty when the system does not tell.
ROBOIMI_EXPORT std::filesystem::path install_prefix();

// The source tree that a build folder of CMake was made from. Empty for any other folder: an
// installed copy has no source tree, and must not take files from folders above it.
ROBOIMI_EXPORT std::filesystem::path source_tree(const std::filesystem::path& prefix);

}  // namespace roboimi
