#include "plugins/hdf5_dataset/encoded_frame.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "roboimi/common/error.h"
#include "roboimi/io/foreign_image.h"
#include "roboimi/io/image.h"

namespace roboimi::hdf5_dataset {
namespace {

using namespace std::string_view_literals;

at::Tensor decode(std::span<const std::uint8_t> bytes) {
  switch (image_format(bytes)) {
    case ImageFormat::kJpeg:
      return decode_jpeg(bytes);
    case ImageFormat::kPng:
      return decode_png(bytes);
    case ImageFormat::kDeepPng:
      throw Error({.what = "cannot decode the frame",
                   .expected = "8 bits per channel",
                   .found = "a 16-bit PNG, as used for depth",
                   .next = "leave depth cameras out of camera_names"});
    case ImageFormat::kOther:
      break;
  }
  throw Error({.what = "cannot decode the frame",
               .expected = "a JPEG or a PNG",
               .found = foreign_image_name(bytes),
               .next = "store each frame as a JPEG or a PNG: cv2.imencode"});
}

std::int64_t big_endian(std::span<const std::uint8_t> bytes) {
  std::int64_t value = 0;
  for (const std::uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

// From the frame header among a JPEG's segments (ITU-T T.81, sections B.1 and B.2.2).
std::optional<ImageSize> jpeg_size(std::span<const std::uint8_t> bytes) {
  std::size_t position = 2;
  while (position + 9 <= bytes.size() && bytes[position] == 0xff) {
    const std::uint8_t marker = bytes[position + 1];
    const bool is_frame =
        marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    if (is_frame) {
      return ImageSize{.height = big_endian(bytes.subspan(position + 5, 2)),
                       .width = big_endian(bytes.subspan(position + 7, 2))};
    }
    // A marker may be padded with 0xff. The image data begin after 0xda.
    if (marker == 0xda) break;
    position += marker == 0xff
                    ? 1
                    : 2 + static_cast<std::size_t>(big_endian(bytes.subspan(position + 2, 2)));
  }
  return std::nullopt;
}

}  // namespace

std::optional<ImageSize> encoded_size(std::span<const std::uint8_t> bytes) {
  constexpr std::size_t kPngSize = 16;  // offset of width and height in a PNG file
  const ImageFormat format = image_format(bytes);
  if (format == ImageFormat::kJpeg) return jpeg_size(bytes);
  if (format == ImageFormat::kOther || bytes.size() < kPngSize + 8) return std::nullopt;
  return ImageSize{.height = big_endian(bytes.subspan(kPngSize + 4, 4)),
                   .width = big_endian(bytes.subspan(kPngSize, 4))};
}

at::Tensor decode_frame(std::span<const std::uint8_t> bytes, const std::filesystem::path& file,
                        const std::string& camera, std::int64_t row) {
  try {
    return decode(bytes).flip(2);
  } catch (const Error& error) {
    Error::Parts parts = error.parts();
    parts.what = fmt::format("row {} of camera '{}': {}", row, camera, parts.what);
    parts.where = file.string();
    if (parts.next.empty()) {
      parts.next = "record or copy the episode again, or remove it from the folder";
    }
    throw Error(std::move(parts));
  }
}

}  // namespace roboimi::hdf5_dataset
