// What records say of where and when they were written.
#pragma once

#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

// This machine's name, "localhost" when the system does not tell.
ROBOIMI_EXPORT std::string host_name();

// The time in UTC: "2026-01-02T03:04:05Z".
ROBOIMI_EXPORT std::string time_now();

}  // namespace roboimi
