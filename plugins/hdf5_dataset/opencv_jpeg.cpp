#include "plugins/hdf5_dataset/opencv_jpeg.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "roboimi/common/error.h"
#include "roboimi/io/image.h"

namespace roboimi::hdf5_dataset {

at::Tensor decode_as_opencv(std::span<const std::uint8_t> jpeg, const std::filesystem::path& file,
                            const std::string& camera, std::int64_t row) {
  try {
    return decode_jpeg(jpeg).flip(2);
  } catch (const Error& error) {
    Error::Parts parts = error.parts();
    parts.what = fmt::format("row {} of camera '{}': {}", row, camera, parts.what);
    parts.where = file.string();
    parts.next = "remove the file, and record or copy the episode again";
    throw Error(std::move(parts));
  }
}

}  // namespace roboimi::hdf5_dataset
