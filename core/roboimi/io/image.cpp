#include "roboimi/io/image.h"

#include <ATen/ATen.h>
#include <png.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/io/image_check.h"

namespace roboimi {
namespace {

// Distance from `p` to the segment a..b.
double distance_to_segment(PixelPoint p, PixelPoint a, PixelPoint b) {
  const double dx = b[0] - a[0], dy = b[1] - a[1];
  const double length_squared = dx * dx + dy * dy;
  double along = 0.0;
  if (length_squared > 0.0) {
    along = std::clamp(((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length_squared, 0.0, 1.0);
  }
  return std::hypot(p[0] - a[0] - along * dx, p[1] - a[1] - along * dy);
}

// How much of each pixel is covered, 0..1, in a rectangle of the image.
struct Coverage {
  std::int64_t left = 0, top = 0, width = 0, height = 0;
  std::vector<float> values = {};
};

bool is_finite(PixelPoint point) { return std::isfinite(point[0]) && std::isfinite(point[1]); }

// An empty coverage of the part of the image that the lines can reach.
Coverage coverage_of(const std::vector<std::vector<PixelPoint>>& lines, std::int64_t height,
                     std::int64_t width, double radius) {
  double low[2] = {static_cast<double>(width), static_cast<double>(height)}, high[2] = {-1, -1};
  for (const auto& line : lines) {
    for (const PixelPoint& point : line) {
      if (!is_finite(point)) continue;
      for (int axis = 0; axis < 2; ++axis) {
        low[axis] = std::min(low[axis], std::floor(point[axis] - radius - 1.0));
        high[axis] = std::max(high[axis], std::ceil(point[axis] + radius + 1.0));
      }
    }
  }
  const double left = std::max(0.0, low[0]), top = std::max(0.0, low[1]);
  const double right = std::min(static_cast<double>(width - 1), high[0]);
  const double bottom = std::min(static_cast<double>(height - 1), high[1]);
  if (right < left || bottom < top) return {};
  Coverage coverage{.left = static_cast<std::int64_t>(left),
                    .top = static_cast<std::int64_t>(top),
                    .width = static_cast<std::int64_t>(right - left) + 1,
                    .height = static_cast<std::int64_t>(bottom - top) + 1};
  coverage.values.resize(static_cast<std::size_t>(coverage.width * coverage.height));
  return coverage;
}

// Adds the segment a..b. Pixels that are already covered more stay as they are.
void cover_segment(Coverage& coverage, PixelPoint a, PixelPoint b, double radius) {
  // The pixels of a row or column that the segment can reach.
  const auto range = [&](int axis, std::int64_t start, std::int64_t size) {
    const double low = std::floor(std::min(a[axis], b[axis]) - radius - 1.0);
    const double high = std::ceil(std::max(a[axis], b[axis]) + radius + 1.0);
    const auto end = static_cast<double>(start + size - 1);
    const double first = std::max(static_cast<double>(start), low), last = std::min(end, high);
    if (last < first) return std::pair<std::int64_t, std::int64_t>{0, -1};
    return std::pair{static_cast<std::int64_t>(first), static_cast<std::int64_t>(last)};
  };
  const auto [left, right] = range(0, coverage.left, coverage.width);
  const auto [top, bottom] = range(1, coverage.top, coverage.height);
  for (std::int64_t y = top; y <= bottom; ++y) {
    for (std::int64_t x = left; x <= right; ++x) {
      const PixelPoint pixel{static_cast<double>(x), static_cast<double>(y)};
      const double covered = radius + 0.5 - distance_to_segment(pixel, a, b);
      const std::int64_t index = (y - coverage.top) * coverage.width + x - coverage.left;
      float& value = coverage.values[static_cast<std::size_t>(index)];
      value = std::max(value, static_cast<float>(std::clamp(covered, 0.0, 1.0)));
    }
  }
}

// Blends `color` into the covered pixels.
void blend(at::Tensor& image, const Coverage& coverage, Rgb color) {
  std::uint8_t* pixels = image.data_ptr<std::uint8_t>();
  for (std::int64_t i = 0; i < coverage.width * coverage.height; ++i) {
    const float share = coverage.values[static_cast<std::size_t>(i)];
    if (share <= 0.0f) continue;
    const std::int64_t y = coverage.top + i / coverage.width;
    const std::int64_t x = coverage.left + i % coverage.width;
    for (std::size_t c = 0; c < 3; ++c) {
      std::uint8_t& value = pixels[3 * (y * image.size(1) + x) + static_cast<std::int64_t>(c)];
      const float old = value;
      value = static_cast<std::uint8_t>(
          std::lround(old + share * (static_cast<float>(color[c]) - old)));
    }
  }
}

}  // namespace

void check_image(const at::Tensor& image, const char* what) {
  if (image.defined() && image.scalar_type() == at::kByte && image.dim() == 3 &&
      image.size(2) == 3 && image.size(0) > 0 && image.size(1) > 0) {
    return;
  }
  std::ostringstream found;
  if (image.defined()) found << image.scalar_type() << " " << image.sizes();
  throw Error({.what = std::string("cannot ") + what,
               .expected = "an image uint8 [height, width, 3]",
               .found = image.defined() ? found.str() : "nothing"});
}

std::vector<std::uint8_t> encode_png(const at::Tensor& image) {
  check_image(image, "write a PNG");
  const at::Tensor pixels = image.cpu().contiguous();
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.height = static_cast<png_uint_32>(pixels.size(0));
  png.width = static_cast<png_uint_32>(pixels.size(1));
  png.format = PNG_FORMAT_RGB;
  std::vector<std::uint8_t> bytes(PNG_IMAGE_PNG_SIZE_MAX(png));
  png_alloc_size_t size = bytes.size();
  if (!png_image_write_to_memory(&png, bytes.data(), &size, 0, pixels.data_ptr(), 0, nullptr)) {
    throw Error(std::string("cannot encode a PNG: ") + png.message);
  }
  bytes.resize(size);
  return bytes;
}

void write_png(const std::filesystem::path& path, const at::Tensor& image) {
  const std::vector<std::uint8_t> bytes = encode_png(image);
  write_text_atomically(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

at::Tensor read_png(const std::filesystem::path& path) {
  const MappedFile file(path);
  try {
    return decode_png({file.data(), file.size()});
  } catch (const Error& error) {
    Error::Parts parts = error.parts();
    parts.where = path.string();
    throw Error(std::move(parts));
  }
}

ImageFormat image_format(std::span<const std::uint8_t> bytes) {
  constexpr std::array<std::uint8_t, 3> kJpeg = {0xff, 0xd8, 0xff};
  constexpr std::array<std::uint8_t, 8> kPng = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  constexpr std::size_t kPngBitDepth = 24;  // its offset, PNG specification 11.2.2
  const auto begins_with = [&](std::span<const std::uint8_t> start) {
    return bytes.size() >= start.size() && std::ranges::equal(bytes.first(start.size()), start);
  };
  if (begins_with(kJpeg)) return ImageFormat::kJpeg;
  if (!begins_with(kPng)) return ImageFormat::kOther;
  const bool is_deep = bytes.size() > kPngBitDepth && bytes[kPngBitDepth] == 16;
  return is_deep ? ImageFormat::kDeepPng : ImageFormat::kPng;
}

at::Tensor decode_png(std::span<const std::uint8_t> bytes) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  const auto fail = [&]() {
    const Error error(std::string("cannot read the PNG: ") + png.message);
    png_image_free(&png);
    throw error;
  };
  if (!png_image_begin_read_from_memory(&png, bytes.data(), bytes.size())) fail();
  const std::int64_t height = png.height, width = png.width;
  if (height * width > kMaxPixels) {
    png_image_free(&png);
    throw Error({.what = "the image is too large",
                 .expected = "at most " + std::to_string(kMaxPixels) + " pixels",
                 .found = std::to_string(width) + "x" + std::to_string(height)});
  }
  // Colors are read as stored, whatever the transparency, as by OpenCV and Pillow's RGB.
  png.format = PNG_FORMAT_RGBA;
  const at::Tensor image = at::empty({height, width, 4}, at::kByte);
  if (!png_image_finish_read(&png, nullptr, image.data_ptr(), 0, nullptr)) fail();
  return image.slice(2, 0, 3).contiguous();
}

void draw_polyline(at::Tensor& image, const std::vector<PixelPoint>& points, Rgb color,
                   double thickness) {
  draw_polylines(image, {points}, color, thickness);
}

void draw_polylines(at::Tensor& image, const std::vector<std::vector<PixelPoint>>& lines, Rgb color,
                    double thickness) {
  check_image(image, "draw a line");
  ROBOIMI_CHECK(image.is_contiguous() && image.device().is_cpu(), "image of draw_polylines");
  const double radius = thickness / 2.0;
  Coverage coverage = coverage_of(lines, image.size(0), image.size(1), radius);
  for (const auto& points : lines) {
    for (std::size_t i = 0; i < points.size(); ++i) {
      const PixelPoint& from = points[i == 0 ? 0 : i - 1];
      if (!is_finite(points[i])) continue;
      cover_segment(coverage, is_finite(from) ? from : points[i], points[i], radius);
    }
  }
  blend(image, coverage, color);
}

void fill_rectangle(at::Tensor& image, std::array<std::int64_t, 2> corner,
                    std::array<std::int64_t, 2> size, Rgb color) {
  check_image(image, "fill a rectangle");
  const auto part = [&](int axis, std::int64_t limit) {
    const std::int64_t first = std::clamp<std::int64_t>(corner[axis], 0, limit);
    return std::pair{first, std::clamp<std::int64_t>(corner[axis] + size[axis], first, limit)};
  };
  const auto [left, right] = part(0, image.size(1));
  const auto [top, bottom] = part(1, image.size(0));
  at::Tensor region = image.slice(0, top, bottom).slice(1, left, right);
  for (std::int64_t c = 0; c < 3; ++c)
    region.select(2, c).fill_(color[static_cast<std::size_t>(c)]);
}

at::Tensor resize_image(const at::Tensor& image, std::int64_t height, std::int64_t width) {
  check_image(image, "resize an image");
  const at::Tensor planes = image.cpu().permute({2, 0, 1}).unsqueeze(0).to(at::kFloat);
  const at::Tensor resized = at::_upsample_bilinear2d_aa(planes, {height, width}, false);
  return resized[0].round().clamp(0, 255).to(at::kByte).permute({1, 2, 0}).contiguous();
}

}  // namespace roboimi
