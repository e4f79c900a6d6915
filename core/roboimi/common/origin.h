// The host name and time for records and logs.
#pragma once

#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

// This machine's name; "localhost" if it cannot be determined.
ROBOIMI_EXPORT std::string host_name();

// The current time in UTC: "2026-01-02T03:04:05Z".
ROBOIMI_EXPORT std::string time_now();

}  // namespace roboimi
