// Images in files and in memory. An image is a CPU tensor uint8 [H, W, 3], RGB, top row first.
//
//   at::Tensor image = scene.render("front", {480, 640});
//   draw_polyline(image, path, {255, 0, 0}, 3.0);
//   write_png("trajectory_000.png", image);
//
// All functions throw Error if their input is not a valid image, or if a file cannot be read or
// written.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

// The bytes of a PNG, lossless.
ROBOIMI_EXPORT std::vector<std::uint8_t> encode_png(const at::Tensor& image);

// Writes the file atomically (common/files.h).
ROBOIMI_EXPORT void write_png(const std::filesystem::path& path, const at::Tensor& image);

// Converts other color types to RGB. Transparency is ignored, as OpenCV and Pillow do.
ROBOIMI_EXPORT at::Tensor read_png(const std::filesystem::path& path);
ROBOIMI_EXPORT at::Tensor decode_png(std::span<const std::uint8_t> bytes);

// The format that encoded bytes begin like. kDeepPng has 16 bits per channel, as depth images have.
enum class ImageFormat { kJpeg, kPng, kDeepPng, kOther };
ROBOIMI_EXPORT ImageFormat image_format(std::span<const std::uint8_t> bytes);

// Decodes to RGB with libjpeg's accurate integer DCT. Throws Error for truncated or damaged data;
// ignores bytes after the end of the image.
ROBOIMI_EXPORT at::Tensor decode_jpeg(std::span<const std::uint8_t> bytes);

// `quality` is 1..100. Chroma has half the resolution, as in most encoders.
ROBOIMI_EXPORT std::vector<std::uint8_t> encode_jpeg(const at::Tensor& image, int quality);

// A pixel position {x, y}. {0, 0} is the center of the top-left pixel.
using PixelPoint = std::array<double, 2>;
using Rgb = std::array<std::uint8_t, 3>;

// Draws a line of `thickness` pixels with round ends and antialiased edges into `image`
// (contiguous). Parts outside the image are clipped. A point that is not finite interrupts the
// line. A single point is drawn as a dot.
ROBOIMI_EXPORT void draw_polyline(at::Tensor& image, const std::vector<PixelPoint>& points,
                                  Rgb color, double thickness);
// Draws several lines at once. Where they overlap, a pixel is blended only once.
ROBOIMI_EXPORT void draw_polylines(at::Tensor& image,
                                   const std::vector<std::vector<PixelPoint>>& lines, Rgb color,
                                   double thickness);

// Fills the rectangle from `corner` of `size` pixels; parts outside the image are clipped.
ROBOIMI_EXPORT void fill_rectangle(at::Tensor& image, std::array<std::int64_t, 2> corner,
                                   std::array<std::int64_t, 2> size, Rgb color);

// The image resized to [height, width, 3], bilinear with antialiasing.
ROBOIMI_EXPORT at::Tensor resize_image(const at::Tensor& image, std::int64_t height,
                                       std::int64_t width);

}  // namespace roboimi
