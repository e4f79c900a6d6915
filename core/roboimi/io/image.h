// Pictures in files and in memory. A picture is a CPU tensor uint8 [H, W, 3], RGB, top row first.
//
//   at::Tensor picture = environment.render("front", {480, 640});
//   draw_polyline(picture, path, {255, 0, 0}, 3.0);
//   write_png("trajectory_000.png", picture);
//
// Every function throws Error when what it reads is not what it says, or the disk refuses.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

// Atomic (common/files.h).
ROBOIMI_EXPORT void write_png(const std::filesystem::path& path, const at::Tensor& picture);

// Converts other colour kinds to RGB; transparency is put on black.
ROBOIMI_EXPORT at::Tensor read_png(const std::filesystem::path& path);
ROBOIMI_EXPORT at::Tensor decode_png(std::span<const std::uint8_t> bytes);

// Plain decoding to RGB, with libjpeg's accurate integer DCT. Truncated or damaged data is an
// Error; bytes after the end of the picture are ignored.
ROBOIMI_EXPORT at::Tensor decode_jpeg(std::span<const std::uint8_t> bytes);

// quality 1..100, chroma at half resolution as most encoders do.
ROBOIMI_EXPORT std::vector<std::uint8_t> encode_jpeg(const at::Tensor& picture, int quality);

// A pixel position {x, y}; {0, 0} is the centre of the top-left pixel.
using PixelPoint = std::array<double, 2>;

// Draws over `picture` in place (contiguous): a line of `thickness` pixels with round ends and
// smoothed edges. Parts outside the picture are clipped; a point that is not finite interrupts the
// line; a single point is a disc.
ROBOIMI_EXPORT void draw_polyline(at::Tensor& picture, const std::vector<PixelPoint>& points,
                                  std::array<std::uint8_t, 3> colour, double thickness);

}  // namespace roboimi
