// Declares the two options of an image size, NAME_height and NAME_width.
//
//   std::optional<ImageSize> crop;
//   declare_image_size(fields, "crop", crop, {.height = "crop height", .width = "crop width"});
//
// Both options must be given, or neither.
#pragma once

#include <optional>
#include <string>

#include "roboimi/common/export.h"
#include "roboimi/config/declare.h"
#include "roboimi/contract/observation.h"

namespace roboimi {

// The descriptions of the two options.
struct ImageSizeMeanings {
  std::string height, width;
};

// Declares the options; reading them sets `size`. If only one is given, the Error names the other.
ROBOIMI_EXPORT void declare_image_size(OptionFields& fields, const std::string& name,
                                       std::optional<ImageSize>& size,
                                       const ImageSizeMeanings& meanings);

}  // namespace roboimi
