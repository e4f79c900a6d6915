#include "roboimi/rollout/film_frame.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "roboimi/io/image_text.h"
#include "roboimi/rollout/fit.h"

namespace roboimi {
namespace {

constexpr std::int64_t kLargestView = 240;  // pixels, height of a view
constexpr std::int64_t kBorder = 6;         // pixels, of the outcome's color
constexpr Rgb kEmpty{48, 51, 58};
constexpr TextStyle kViewName{.height = 9.0, .color = {255, 255, 255}, .boldness = 0.14};

// The cells of the column of views.
struct Column {
  std::int64_t cell_height = 0, width = 0;  // pixels
};

Column column_of(const std::vector<ImageSize>& views) {
  if (views.empty()) return {};
  const auto count = static_cast<std::int64_t>(views.size());
  const std::int64_t cell_height = std::min(kLargestView, kFilmSize.height / count);
  double aspect = 0.5;
  for (const ImageSize& view : views) {
    aspect = std::max(aspect, static_cast<double>(view.width) / static_cast<double>(view.height));
  }
  const double width = std::min(aspect, 2.0) * static_cast<double>(cell_height);
  return {cell_height, 2 * static_cast<std::int64_t>(std::ceil(width / 2))};
}

// Puts the view into its cell, as large as fits, with its name in the corner.
void put_view(at::Tensor& frame, std::int64_t row, const Column& column, const std::string& name,
              const at::Tensor& image) {
  const double scale =
      std::min(static_cast<double>(column.cell_height) / static_cast<double>(image.size(0)),
               static_cast<double>(column.width) / static_cast<double>(image.size(1)));
  const auto scaled = [&](std::int64_t side) {
    return std::max<std::int64_t>(1, std::lround(scale * static_cast<double>(side)));
  };
  const at::Tensor view = resize_image(image, scaled(image.size(0)), scaled(image.size(1)));
  const std::int64_t top = row * column.cell_height + (column.cell_height - view.size(0)) / 2;
  const std::int64_t left = kFilmSize.width + (column.width - view.size(1)) / 2;
  frame.slice(0, top, top + view.size(0)).slice(1, left, left + view.size(1)).copy_(view);
  const auto width = static_cast<std::int64_t>(text_width(name, kViewName));
  fill_rectangle(frame, {left, top}, {width + 12, 17}, kCaptionColor);
  draw_text(frame, {static_cast<double>(left) + 6, static_cast<double>(top) + 13}, name, kViewName);
}

std::vector<ImageSize> sizes_of(const NamedImages& views) {
  std::vector<ImageSize> sizes;
  for (const auto& [name, image] : views) sizes.push_back({image.size(0), image.size(1)});
  return sizes;
}

void draw_border(at::Tensor& frame, Rgb color) {
  const auto [height, width] = kFilmSize;
  fill_rectangle(frame, {0, 0}, {width, kBorder}, color);
  fill_rectangle(frame, {0, height - kBorder}, {width, kBorder}, color);
  fill_rectangle(frame, {0, 0}, {kBorder, height}, color);
  fill_rectangle(frame, {width - kBorder, 0}, {kBorder, height}, color);
}

}  // namespace

ImageSize film_frame_size(const std::vector<ImageSize>& views) {
  return {.height = kFilmSize.height + kCaptionHeight,
          .width = kFilmSize.width + column_of(views).width};
}

at::Tensor film_frame(const at::Tensor& overview, const NamedImages& views,
                      const RolloutCaption& caption) {
  const std::vector<ImageSize> sizes = sizes_of(views);
  const ImageSize size = film_frame_size(sizes);
  at::Tensor frame = at::empty({size.height, size.width, 3}, at::kByte);
  fill_rectangle(frame, {0, 0}, {size.width, size.height}, kEmpty);
  // The overview at the left.
  frame.slice(0, 0, kFilmSize.height).slice(1, 0, kFilmSize.width).copy_(overview);
  if (caption.is_over) draw_border(frame, caption.success ? kSuccessColor : kFailureColor);
  // The views at the right.
  const Column column = column_of(sizes);
  for (std::size_t i = 0; i < views.size(); ++i) {
    put_view(frame, static_cast<std::int64_t>(i), column, views[i].first, views[i].second);
  }
  frame.slice(0, kFilmSize.height).copy_(caption_bar(caption, size.width));
  return frame;
}

}  // namespace roboimi
