#include "plugins/lerobot_dataset/camera_shape.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>
#include <vector>

#include "roboimi/common/error.h"

namespace roboimi::lerobot_dataset {
namespace {

bool is_channels(std::int64_t size) { return size == 1 || size == 3 || size == 4; }

// The size by the names of the axes, such as ["width", "height", "channel"].
std::optional<ImageSize> named_size(const Feature& feature) {
  ImageSize size;
  if (feature.names.size() != feature.shape.size()) return std::nullopt;
  for (std::size_t axis = 0; axis < feature.names.size(); ++axis) {
    if (feature.names[axis] == "height") size.height = feature.shape[axis];
    if (feature.names[axis] == "width") size.width = feature.shape[axis];
  }
  return size;
}

}  // namespace

void check_camera_shape(const Feature& feature, ImageSize size,
                        const std::filesystem::path& info_file) {
  const std::vector<std::int64_t>& shape = feature.shape;
  std::vector<ImageSize> readings;
  if (shape.size() == 2) readings.push_back({shape[0], shape[1]});
  if (shape.size() == 3 && is_channels(shape[2])) readings.push_back({shape[0], shape[1]});
  if (shape.size() == 3 && is_channels(shape[0])) readings.push_back({shape[1], shape[2]});
  if (readings.empty()) return;
  if (const auto named = named_size(feature)) readings.push_back(*named);
  for (const ImageSize& reading : readings) {
    if (reading == size) return;
  }
  throw Error(
      {.what = fmt::format("the size of the images of '{}' differs from the feature's shape",
                           feature.name),
       .where = info_file.string(),
       .expected = fmt::format("shape [{0}, {1}, 3] or [3, {0}, {1}], as the images are {0} pixels "
                               "high and {1} wide",
                               size.height, size.width),
       .found = fmt::format("[{}]", fmt::join(shape, ", ")),
       .next = "correct the shape, or leave the camera out of data.camera_names"});
}

}  // namespace roboimi::lerobot_dataset
