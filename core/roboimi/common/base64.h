// Base64 (RFC 4648), with padding: bytes in data URIs.
#pragma once

#include <string>
#include <string_view>

#include "roboimi/common/export.h"

namespace roboimi {

ROBOIMI_EXPORT std::string base64(std::string_view bytes);

}  // namespace roboimi
