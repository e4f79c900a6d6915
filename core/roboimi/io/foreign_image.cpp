#include "roboimi/io/foreign_image.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace roboimi {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kShownBytes = 8;

struct Format {
  std::string_view start, name;
};
constexpr std::array kFormats = {
    Format{"RIFF"sv, "WebP"},
    Format{"BM"sv, "BMP"},
    Format{"II*\0"sv, "TIFF"},
    Format{"MM\0*"sv, "TIFF"},
    Format{"\xff\x0a"sv, "JPEG XL"},
    Format{"\0\0\0\x0cJXL"sv, "JPEG XL"},
    Format{"\0\0\0\x0cjP"sv, "JPEG 2000"},
};

}  // namespace

std::string foreign_image_name(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return "no bytes";
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const Format& format : kFormats) {
    if (text.starts_with(format.start)) return std::string(format.name);
  }
  const auto shown = bytes.first(std::min(bytes.size(), kShownBytes));
  return fmt::format("{} bytes that begin {:02x}", bytes.size(), fmt::join(shown, " "));
}

}  // namespace roboimi
