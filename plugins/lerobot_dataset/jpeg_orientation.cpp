#include "plugins/lerobot_dataset/jpeg_orientation.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string_view>

namespace roboimi::lerobot_dataset {
namespace {

using Bytes = std::span<const std::uint8_t>;

// An unsigned number of the TIFF structure in an EXIF segment; 0 if it lies outside.
std::uint32_t number(Bytes tiff, std::size_t offset, std::size_t size, bool is_big_endian) {
  if (offset > tiff.size() || size > tiff.size() - offset) return 0;
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size; ++i) {
    value = value << 8 | tiff[offset + (is_big_endian ? i : size - 1 - i)];
  }
  return value;
}

// Among the entries of the first directory (TIFF 6.0, section 2; EXIF 2.3, section 4.6.4).
int tiff_orientation(Bytes tiff) {
  constexpr std::uint32_t kTag = 0x112, kShort = 3;
  constexpr std::size_t kEntry = 12;  // bytes
  if (tiff.empty()) return 1;
  const bool is_big_endian = tiff[0] == 'M';
  const std::size_t directory = number(tiff, 4, 4, is_big_endian);
  const std::size_t count = number(tiff, directory, 2, is_big_endian);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t entry = directory + 2 + i * kEntry;
    if (number(tiff, entry, 2, is_big_endian) != kTag) continue;
    if (number(tiff, entry + 2, 2, is_big_endian) != kShort) return 1;
    const std::uint32_t orientation = number(tiff, entry + 8, 2, is_big_endian);
    return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
  }
  return 1;
}

}  // namespace

int jpeg_orientation(Bytes jpeg) {
  constexpr std::uint8_t kMarker = 0xff, kApp1 = 0xe1, kScan = 0xda;
  constexpr std::string_view kExif("Exif\0\0", 6);
  // Segments follow the start of the image: a marker of two bytes, and a length that includes its
  // own two bytes (ITU-T T.81, B.1.1).
  std::size_t at = 2;
  while (at + 4 <= jpeg.size() && jpeg[at] == kMarker && jpeg[at + 1] != kScan) {
    const std::size_t length = number(jpeg, at + 2, 2, /*is_big_endian=*/true);
    if (length < 2 || length > jpeg.size() - at - 2) break;
    const Bytes content = jpeg.subspan(at + 4, length - 2);
    if (jpeg[at + 1] == kApp1 && content.size() > kExif.size() &&
        std::ranges::equal(content.first(kExif.size()), kExif)) {
      return tiff_orientation(content.subspan(kExif.size()));
    }
    at += 2 + length;
  }
  return 1;
}

at::Tensor upright(const at::Tensor& image, int orientation) {
  // From 5 on, rows and columns are exchanged.
  const at::Tensor stored = orientation >= 5 ? image.transpose(0, 1) : image;
  switch (orientation) {
    case 2:
    case 6:
      return stored.flip({1});
    case 3:
    case 7:
      return stored.flip({0, 1});
    case 4:
    case 8:
      return stored.flip({0});
    default:
      return stored;
  }
}

}  // namespace roboimi::lerobot_dataset
