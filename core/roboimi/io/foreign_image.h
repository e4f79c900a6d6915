// Names of image formats that roboimi does not decode, for error messages.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

// What bytes seem to be that are neither a JPEG nor a PNG: "WebP", "no bytes", or "12 bytes that
// begin 00 01 ...".
ROBOIMI_EXPORT std::string foreign_image_name(std::span<const std::uint8_t> bytes);

}  // namespace roboimi
