// Where roboimi's log goes in a program of yours. By default: stderr, from "info" up, one line a
// message; never stdout.
//
//   roboimi::set_log_handler([](roboimi::LogLevel level, std::string_view message) {
//     if (level >= roboimi::LogLevel::kWarning) RCLCPP_WARN(log, "%.*s", int(message.size()),
//                                                           message.data());
//   });
#pragma once

#include <functional>
#include <string_view>

#include "roboimi/common/export.h"

namespace roboimi {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kNone };

// May be called from any thread, one call at a time; it must not call roboimi.
using LogHandler = std::function<void(LogLevel level, std::string_view message)>;

// Gives every message to `handler` in place of stderr. An empty one: stderr again.
ROBOIMI_EXPORT void set_log_handler(LogHandler handler);

// Passes messages of `lowest` and above; kNone: none at all.
ROBOIMI_EXPORT void set_log_level(LogLevel lowest);

}  // namespace roboimi
