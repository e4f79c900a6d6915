#include "roboimi/io/image.h"

#include <ATen/ATen.h>
#include <png.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/io/picture_check.h"

namespace roboimi {
namespace {

// A PNG of a few hundred bytes can claim gigabytes.
constexpr std::int64_t kMaxPixels = std::int64_t{1} << 27;

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

// Raises `coverage` (float, rows of `width`) to what the segment covers of each pixel, 0..1.
void cover_segment(std::vector<float>& coverage, std::int64_t height, std::int64_t width,
                   PixelPoint a, PixelPoint b, double radius) {
  const auto first = [&](double low) {
    return static_cast<std::int64_t>(std::max(0.0, std::floor(low - radius - 1.0)));
  };
  const auto last = [&](double high, std::int64_t size) {
    const double end = std::ceil(high + radius + 1.0);
    return static_cast<std::int64_t>(std::min(static_cast<double>(size - 1), end));
  };
  const std::int64_t bottom = last(std::max(a[1], b[1]), height);
  const std::int64_t right = last(std::max(a[0], b[0]), width);
  const double top = std::min(a[1], b[1]), left = std::min(a[0], b[0]);
  if (top - radius > height || left - radius > width) return;
  for (std::int64_t y = first(top); y <= bottom; ++y) {
    for (std::int64_t x = first(left); x <= right; ++x) {
      const PixelPoint pixel{static_cast<double>(x), static_cast<double>(y)};
      const double covered = radius + 0.5 - distance_to_segment(pixel, a, b);
      float& value = coverage[static_cast<std::size_t>(y * width + x)];
      value = std::max(value, static_cast<float>(std::clamp(covered, 0.0, 1.0)));
    }
  }
}

bool is_finite(PixelPoint point) { return std::isfinite(point[0]) && std::isfinite(point[1]); }

}  // namespace

void check_picture(const at::Tensor& picture, const char* what) {
  if (picture.defined() && picture.scalar_type() == at::kByte && picture.dim() == 3 &&
      picture.size(2) == 3 && picture.size(0) > 0 && picture.size(1) > 0) {
    return;
  }
  std::ostringstream found;
  if (picture.defined()) found << picture.scalar_type() << " " << picture.sizes();
  throw Error({.what = std::string("cannot ") + what,
               .expected = "a picture uint8 [height, width, 3]",
               .found = picture.defined() ? found.str() : "nothing"});
}

void write_png(const std::filesystem::path& path, const at::Tensor& picture) {
  check_picture(picture, "write a PNG");
  const at::Tensor pixels = picture.cpu().contiguous();
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.height = static_cast<png_uint_32>(pixels.size(0));
  image.width = static_cast<png_uint_32>(pixels.size(1));
  image.format = PNG_FORMAT_RGB;
  std::string bytes(PNG_IMAGE_PNG_SIZE_MAX(image), '\0');
  png_alloc_size_t size = bytes.size();
  if (!png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels.data_ptr(), 0, nullptr)) {
    throw Error(
        {.what = std::string("cannot encode a PNG: ") + image.message, .where = path.string()});
  }
  write_text_atomically(path, std::string_view(bytes).substr(0, size));
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

at::Tensor decode_png(std::span<const std::uint8_t> bytes) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  const auto fail = [&]() {
    const Error error(std::string("cannot read the PNG: ") + image.message);
    png_image_free(&image);
    throw error;
  };
  if (!png_image_begin_read_from_memory(&image, bytes.data(), bytes.size())) fail();
  const std::int64_t height = image.height, width = image.width;
  if (height * width > kMaxPixels) {
    png_image_free(&image);
    throw Error({.what = "the picture is too large",
                 .expected = "at most " + std::to_string(kMaxPixels) + " pixels",
                 .found = std::to_string(width) + "x" + std::to_string(height)});
  }
  image.format = PNG_FORMAT_RGB;
  at::Tensor picture = at::empty({height, width, 3}, at::kByte);
  const png_color black{};
  if (!png_image_finish_read(&image, &black, picture.data_ptr(), 0, nullptr)) fail();
  return picture;
}

void draw_polyline(at::Tensor& picture, const std::vector<PixelPoint>& points,
                   std::array<std::uint8_t, 3> colour, double thickness) {
  check_picture(picture, "draw a line");
  ROBOIMI_CHECK(picture.is_contiguous() && picture.device().is_cpu(), "draw_polyline's picture");
  const std::int64_t height = picture.size(0), width = picture.size(1);
  // Joints are covered once, however many segments meet there.
  std::vector<float> coverage(static_cast<std::size_t>(height * width), 0.0f);
  for (std::size_t i = 0; i < points.size(); ++i) {
    const PixelPoint& from = points[i == 0 ? 0 : i - 1];
    if (!is_finite(points[i])) continue;
    cover_segment(coverage, height, width, is_finite(from) ? from : points[i], points[i],
                  thickness / 2.0);
  }
  std::uint8_t* pixels = picture.data_ptr<std::uint8_t>();
  for (std::size_t i = 0; i < coverage.size(); ++i) {
    for (std::size_t c = 0; c < 3 && coverage[i] > 0.0f; ++c) {
      const float old = pixels[3 * i + c];
      const float mixed = old + coverage[i] * (static_cast<float>(colour[c]) - old);
      pixels[3 * i + c] = static_cast<std::uint8_t>(std::lround(mixed));
    }
  }
}

}  // namespace roboimi
