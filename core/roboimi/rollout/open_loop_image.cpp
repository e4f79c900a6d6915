#include "roboimi/rollout/open_loop_image.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "roboimi/common/error.h"
#include "roboimi/io/image.h"
#include "roboimi/io/image_text.h"

namespace roboimi {
namespace {

constexpr std::int64_t kPanelWidth = 460, kPanelHeight = 110;             // pixels, with labels
constexpr std::int64_t kLeft = 62, kRight = 14, kTop = 22, kBottom = 10;  // around a plot
constexpr std::int64_t kHeader = 58, kFooter = 26;
constexpr std::int64_t kMostRows = 7;  // panels in a column before another column begins
constexpr Rgb kPaper{255, 255, 255}, kPlot{244, 246, 249}, kInk{40, 44, 52}, kFaint{120, 126, 136};
constexpr Rgb kRecorded{96, 125, 160}, kCommanded{222, 98, 0};
constexpr TextStyle kTitle{.height = 11.0, .color = kInk, .boldness = 0.12};
constexpr TextStyle kLabel{.height = 9.0, .color = kInk, .boldness = 0.11};
constexpr TextStyle kTick{.height = 8.0, .color = kFaint, .boldness = 0.11};

struct Range {
  double low = 0.0, high = 1.0;
};

// The range of both curves of one dimension, widened if they are constant.
Range range_of(const at::Tensor& commanded, const at::Tensor& recorded) {
  const at::Tensor both = at::cat({commanded, recorded});
  Range range{both.min().item<double>(), both.max().item<double>()};
  if (range.high - range.low > 1e-9 * std::max(1.0, std::abs(range.high))) return range;
  return {range.low - 0.5, range.high + 0.5};
}

std::vector<PixelPoint> points(const at::Tensor& values, const Range& range, double left,
                               double top, double width, double height) {
  const at::Tensor rows = values.contiguous();
  const auto* value = rows.const_data_ptr<double>();
  const std::int64_t count = rows.size(0);
  std::vector<PixelPoint> line;
  for (std::int64_t i = 0; i < count; ++i) {
    const double x = count > 1 ? static_cast<double>(i) / static_cast<double>(count - 1) : 0.5;
    const double y = (range.high - value[i]) / (range.high - range.low);
    line.push_back({left + x * width, top + y * height});
  }
  return line;
}

void draw_panel(at::Tensor& image, std::int64_t x, std::int64_t y, const std::string& name,
                const at::Tensor& commanded, const at::Tensor& recorded) {
  const std::int64_t width = kPanelWidth - kLeft - kRight, height = kPanelHeight - kTop - kBottom;
  const std::int64_t left = x + kLeft, top = y + kTop;
  fill_rectangle(image, {left, top}, {width, height}, kPlot);
  const auto at = [](std::int64_t px, std::int64_t py) {
    return PixelPoint{static_cast<double>(px), static_cast<double>(py)};
  };
  draw_text(image, at(left, top - 6), name, kLabel);
  // The ends of the value axis.
  const Range range = range_of(commanded, recorded);
  const std::string high = fmt::format("{:.3g}", range.high),
                    low = fmt::format("{:.3g}", range.low);
  const auto end_of_label = static_cast<double>(left - 6);
  draw_text(image, {end_of_label - text_width(high, kTick), static_cast<double>(top + 8)}, high,
            kTick);
  draw_text(image, {end_of_label - text_width(low, kTick), static_cast<double>(top + height)}, low,
            kTick);
  // The curves, inside a margin that keeps the extreme values visible.
  const auto draw = [&](const at::Tensor& values, Rgb color, double thickness) {
    draw_polyline(image,
                  points(values, range, static_cast<double>(left) + 2, static_cast<double>(top) + 3,
                         static_cast<double>(width) - 4, static_cast<double>(height) - 6),
                  color, thickness);
  };
  draw(recorded, kRecorded, 2.5);
  draw(commanded, kCommanded, 1.5);
}

// A color sample with its label. Returns the x after it.
double draw_key(at::Tensor& image, double x, double y, Rgb color, const std::string& meaning) {
  draw_polyline(image, {{x, y - 4}, {x + 22, y - 4}}, color, 2.5);
  draw_text(image, {x + 28, y}, meaning, kLabel);
  return x + 28 + text_width(meaning, kLabel) + 24;
}

}  // namespace

at::Tensor open_loop_image(const OpenLoopCurves& curves) {
  if (curves.commanded.dim() != 2 || curves.commanded.sizes() != curves.recorded.sizes() ||
      curves.commanded.numel() == 0) {
    throw Error({.what = "commands and recorded actions have different sizes, or none",
                 .expected = "twice [L, A]",
                 .found = c10::str(curves.commanded.sizes(), " and ", curves.recorded.sizes())});
  }
  const at::Tensor commanded = curves.commanded.to(at::kCPU, at::kDouble);
  const at::Tensor recorded = curves.recorded.to(at::kCPU, at::kDouble);
  const std::int64_t dims = commanded.size(1);
  const std::int64_t columns = (dims + kMostRows - 1) / kMostRows;
  const std::int64_t rows = (dims + columns - 1) / columns;
  at::Tensor image =
      at::empty({kHeader + rows * kPanelHeight + kFooter, columns * kPanelWidth, 3}, at::kByte);
  fill_rectangle(image, {0, 0}, {image.size(1), image.size(0)}, kPaper);

  // Title and key.
  draw_text(image, {static_cast<double>(kRight), 22}, curves.title, kTitle);
  const double next = draw_key(image, static_cast<double>(kRight), 44, kRecorded, "recorded");
  draw_key(image, next, 44, kCommanded, "commanded");
  // Panels, column by column.
  for (std::int64_t dim = 0; dim < dims; ++dim) {
    const auto index = static_cast<std::size_t>(dim);
    const std::string name =
        index < curves.names.size() ? curves.names[index] : fmt::format("action {}", dim);
    draw_panel(image, (dim / rows) * kPanelWidth, kHeader + (dim % rows) * kPanelHeight, name,
               commanded.select(1, dim), recorded.select(1, dim));
  }
  // The ends of the time axis, below the last panel of each column.
  const auto steps = static_cast<double>(commanded.size(0));
  const std::string end = curves.control_hz > 0.0
                              ? fmt::format("{:.1f} s", steps / curves.control_hz)
                              : fmt::format("{:.0f} steps", steps);
  for (std::int64_t column = 0; column < columns; ++column) {
    const std::int64_t panels = std::min(rows, dims - column * rows);
    const auto y = static_cast<double>(kHeader + panels * kPanelHeight - kBottom + 12);
    const auto left = static_cast<double>(column * kPanelWidth + kLeft);
    const auto right = static_cast<double>((column + 1) * kPanelWidth - kRight);
    draw_text(image, {left, y}, "0", kTick);
    draw_text(image, {right - text_width(end, kTick), y}, end, kTick);
  }
  return image;
}

std::string open_loop_image_name(std::int64_t episode) {
  return fmt::format("open_loop_{:03}", episode);
}

void write_open_loop_images(const std::filesystem::path& folder, const OpenLoopError& error,
                            const ActionRange& range, const ObservationSpec& spec) {
  std::filesystem::create_directories(folder);
  // If there are as many actions as state elements, the actions usually are targets for the state.
  const StreamSpec* state = spec.find(kState);
  const bool follows_state = state != nullptr && state->shape[0] == spec.action_dim;
  for (const OpenLoopError::Episode& episode : error.episodes) {
    const double share = OpenLoopError::normalized_rms(episode, range);
    const at::Tensor image =
        open_loop_image({.title = fmt::format("episode {}: action error {:.1f} % of half-range",
                                              episode.index, 100 * share),
                         .commanded = episode.commanded,
                         .recorded = episode.recorded,
                         .names = follows_state ? state->element_names : std::vector<std::string>(),
                         .control_hz = spec.control_hz});
    write_png(folder / (open_loop_image_name(episode.index) + ".png"), image);
  }
}

}  // namespace roboimi
