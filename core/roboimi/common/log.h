// The logger of the library and of the plugins in this tree. Internal; see log_route.h.
//
//   logger().info("{} episodes", count);
//
// It is separate from spdlog's default logger, which writes to stdout and belongs to the program.
#pragma once

#include <spdlog/spdlog.h>

#include <memory>

#include "roboimi/common/export.h"

namespace roboimi {

ROBOIMI_EXPORT spdlog::logger& logger();

// The same, for programs that make it their default: spdlog::set_default_logger(shared_logger()).
ROBOIMI_EXPORT std::shared_ptr<spdlog::logger> shared_logger();

}  // namespace roboimi
