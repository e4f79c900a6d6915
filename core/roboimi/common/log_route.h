// Functions that redirect roboimi's log in your program. By default, messages of level "info" and
// above go to stderr, one per line; nothing is written to stdout.
//
//   roboimi::set_log_handler([](roboimi::LogLevel level, std::string_view message) {
//     if (level >= roboimi::LogLevel::kWarning) std::cerr << message << '\n';
//   });
#pragma once

#include <functional>
#include <string_view>

#include "roboimi/common/export.h"

namespace roboimi {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kNone };

// The handler may be called from any thread, one call at a time, and must not call roboimi.
using LogHandler = std::function<void(LogLevel level, std::string_view message)>;

// Passes every message to `handler` instead of stderr. An empty handler restores stderr.
ROBOIMI_EXPORT void set_log_handler(LogHandler handler);

// Logs messages of level `lowest` and above; kNone turns the log off.
ROBOIMI_EXPORT void set_log_level(LogLevel lowest);

}  // namespace roboimi
