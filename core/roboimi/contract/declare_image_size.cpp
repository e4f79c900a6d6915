#include "roboimi/contract/declare_image_size.h"

#include <cstdint>

namespace roboimi {

void declare_image_size(OptionFields& fields, const std::string& name,
                        std::optional<ImageSize>& size, const ImageSizeMeanings& meanings) {
  const std::string height_key = name + "_height", width_key = name + "_width";
  std::optional<std::int64_t> height, width;
  fields.integer(height_key, height, meanings.height).at_least(1).with_unit("pixels");
  fields.integer(width_key, width, meanings.width).at_least(1).with_unit("pixels");
  fields.when_read([&](const Options& options) {
    if (height.has_value() != width.has_value()) {
      const std::string& given = height ? height_key : width_key;
      const std::string& absent = height ? width_key : height_key;
      options.fail(given, given + " is set but " + absent + " is not", "both or neither");
    }
    size.reset();
    if (height) size = ImageSize{*height, *width};
  });
}

}  // namespace roboimi
