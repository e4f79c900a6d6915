// Comparison of a camera's images with the shape in info.json. The images decide: shapes are
// written as [height, width, channels] and as [channels, height, width], with and without names.
#pragma once

#include <filesystem>

#include "plugins/lerobot_dataset/info_file.h"
#include "roboimi/contract/observation.h"

namespace roboimi::lerobot_dataset {

// Throws Error if the shape does not match the size of the images in any of these forms.
void check_camera_shape(const Feature& feature, ImageSize size,
                        const std::filesystem::path& info_file);

}  // namespace roboimi::lerobot_dataset
