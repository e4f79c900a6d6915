// The two options of an image size, NAME_height and NAME_width: both are given, or neither.
//
//   std::optional<ImageSize> crop;
//   declare_image_size(fields, "crop", crop, {.height = "of the window", .width = "of the
//   window"});
#pragma once

#include <optional>
#include <string>

#include "roboimi/common/export.h"
#include "roboimi/config/declare.h"
#include "roboimi/contract/observation.h"

namespace roboimi {

struct ImageSizeMeanings {
  std::string height, width;
};

// An Options::fail() that names the missing one when one is given alone.
ROBOIMI_EXPORT void declare_image_size(OptionFields& fields, const std::string& name,
                                       std::optional<ImageSize>& size,
                                       const ImageSizeMeanings& meanings);

}  // namespace roboimi
