// Where this roboimi lies: plugins and configs are found from it, whatever program runs.
#pragma once

#include <filesystem>

#include "roboimi/common/export.h"

namespace roboimi {

// The folder above libroboimi.so's: /opt/roboimi for /opt/roboimi/lib/libroboimi.so, build/release
// in the source tree. Empty when the system does not tell.
ROBOIMI_EXPORT std::filesystem::path install_prefix();

}  // namespace roboimi
