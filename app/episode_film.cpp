#include "app/episode_film.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "roboimi/common/error.h"
#include "roboimi/data/checked_reads.h"
#include "roboimi/io/image_text.h"

namespace roboimi::app {
namespace {

constexpr std::int64_t kViewHeight = 240, kMostViewHeight = 480, kUsualWidth = 640;  // pixels
constexpr std::int64_t kPanelWidth = 230, kPanelHeight = 74, kKeyHeight = 24;
constexpr std::int64_t kPlotLeft = 52, kPlotRight = 10, kPlotTop = 18, kPlotBottom = 6;
constexpr Rgb kFilmPaper{255, 255, 255}, kFilmPlot{244, 246, 249}, kFilmInk{40, 44, 52},
    kFilmFaint{120, 126, 136};
constexpr Rgb kStateColor{70, 110, 170}, kActionColor{222, 98, 0}, kCursorColor{200, 30, 60};
constexpr TextStyle kFilmLabel{.height = 8.0, .color = kFilmInk, .boldness = 0.12};
constexpr TextStyle kFilmTick{.height = 7.0, .color = kFilmFaint, .boldness = 0.11};
constexpr TextStyle kCameraName{.height = 9.0, .color = {255, 255, 255}, .boldness = 0.14};

std::vector<double> column_of(const at::Tensor& rows, std::int64_t column) {
  const at::Tensor values = rows.select(1, column).to(at::kDouble).contiguous();
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

std::string element_title(const std::string& quantity, std::int64_t index,
                          const std::vector<std::string>& names) {
  const auto place = static_cast<std::size_t>(index);
  return place < names.size() ? names[place] : fmt::format("{} {}", quantity, index);
}

// The pixels of row `row` of `count`: 0 .. width - 1.
double x_of_row(std::int64_t row, std::int64_t count, std::int64_t width) {
  const double share = count > 1 ? static_cast<double>(row) / static_cast<double>(count - 1) : 0.5;
  return share * static_cast<double>(width - 1);
}

double as_pixels(std::int64_t value) { return static_cast<double>(value); }

double aspect_of(ImageSize size) { return as_pixels(size.width) / as_pixels(size.height); }

}  // namespace

std::pair<double, double> CurvePanel::range() const {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const std::vector<double>* values : {&state, &action}) {
    for (const double value : *values) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  return low > high ? std::pair(0.0, 0.0) : std::pair(low, high);
}

std::pair<double, double> CurvePanel::drawn_range() const {
  const auto [low, high] = range();
  if (high - low > 1e-9 * std::max(1.0, std::abs(high))) return {low, high};
  return {low - 0.5, high + 0.5};
}

bool CurvePanel::has_values() const {
  const auto is_finite = [](double value) { return std::isfinite(value); };
  return std::ranges::any_of(state, is_finite) || std::ranges::any_of(action, is_finite);
}

std::string CurvePanel::range_text() const {
  if (!has_values()) return "no finite values";
  const auto [low, high] = range();
  return low == high ? fmt::format("{:.4g}, constant", low)
                     : fmt::format("{:.4g} .. {:.4g}", low, high);
}

std::vector<CurvePanel> curve_panels(const Dataset& dataset, std::int64_t episode) {
  const ObservationSpec& spec = dataset.spec();
  const StreamSpec* stream = spec.find(kState);
  const at::Tensor state = read_state(dataset, episode), action = read_actions(dataset, episode);
  const std::int64_t state_dim = stream != nullptr ? stream->shape[0] : 0;
  const bool is_joint = state_dim == spec.action_dim;
  const std::vector<std::string> names =
      stream != nullptr ? stream->element_names : std::vector<std::string>();
  std::vector<CurvePanel> panels;
  for (std::int64_t d = 0; d < state_dim; ++d) {
    panels.push_back({.title = element_title(is_joint ? "dimension" : "state", d, names),
                      .state = column_of(state, d),
                      .action = is_joint ? column_of(action, d) : std::vector<double>()});
  }
  for (std::int64_t d = 0; d < spec.action_dim && !is_joint; ++d) {
    panels.push_back(
        {.title = fmt::format("action {}", d), .state = {}, .action = column_of(action, d)});
  }
  return panels;
}

at::Tensor shaded_depth(const at::Tensor& meters) {
  const at::Tensor shade = at::where(meters > 0, 255.0 / (1.0 + meters), 0.0);
  return shade.round().clamp(0, 255).to(at::kByte).unsqueeze(2).repeat({1, 1, 3});
}

EpisodeFilm::EpisodeFilm(std::vector<View> views, const std::vector<CurvePanel>& panels)
    : views_(std::move(views)), num_panels_(std::min(panels.size(), kMostPanels)) {
  if (views_.empty() && panels.empty()) {
    throw Error({.what = "there is nothing to show",
                 .expected = "an episode with cameras, a state or actions"});
  }
  // The cameras: one height, side by side, and larger if few or narrow ones leave room.
  double aspects = 0.0;
  for (const View& view : views_) aspects += aspect_of(view.size);
  if (!views_.empty()) {
    view_height_ =
        std::clamp(std::lround(kUsualWidth / aspects / 2) * 2, kViewHeight, kMostViewHeight);
  }
  std::int64_t views_width = 0;
  for (const View& view : views_) {
    view_widths_.push_back(
        std::max(1L, std::lround(aspect_of(view.size) * as_pixels(view_height_))));
    views_width += view_widths_.back();
  }
  // Video has even sides.
  if (!views_.empty() && views_width % 2 == 1) {
    ++view_widths_.back();
    ++views_width;
  }
  const std::int64_t width =
      views_.empty() ? kUsualWidth : std::max<std::int64_t>(views_width, 2 * kPanelWidth);
  views_left_ = (width - views_width) / 2;
  // The curves: as many columns as fit.
  columns_ = std::max<std::int64_t>(1, width / kPanelWidth);
  panel_width_ = width / columns_;
  const auto count = static_cast<std::int64_t>(num_panels_);
  const std::int64_t rows = (count + columns_ - 1) / columns_;
  std::int64_t height = view_height_ + (count > 0 ? kKeyHeight + rows * kPanelHeight : 0);
  height += height % 2;
  background_ = at::empty({height, width, 3}, at::kByte);
  fill_rectangle(background_, {0, 0}, {width, height}, kFilmPaper);
  if (num_panels_ == 0) return;
  // The key.
  const double baseline = as_pixels(view_height_ + 16);
  double x = as_pixels(kPlotLeft);
  for (const auto& [color, name] :
       {std::pair{kStateColor, "state"}, std::pair{kActionColor, "action"}}) {
    draw_polyline(background_, {{x, baseline - 4}, {x + 20, baseline - 4}}, color, 2.5);
    draw_text(background_, {x + 26, baseline}, name, kFilmLabel);
    x += 90;
  }
  for (std::size_t i = 0; i < num_panels_; ++i) draw_panel(i, panels[i]);
}

ImageSize EpisodeFilm::size() const { return {background_.size(0), background_.size(1)}; }

std::int64_t EpisodeFilm::panel_left(std::size_t index) const {
  return static_cast<std::int64_t>(index) % columns_ * panel_width_ + kPlotLeft;
}

std::int64_t EpisodeFilm::panel_top(std::size_t index) const {
  return view_height_ + kKeyHeight + static_cast<std::int64_t>(index) / columns_ * kPanelHeight +
         kPlotTop;
}

void EpisodeFilm::draw_panel(std::size_t index, const CurvePanel& panel) {
  const std::int64_t left = panel_left(index), top = panel_top(index);
  const std::int64_t width = panel_width_ - kPlotLeft - kPlotRight;
  const std::int64_t height = kPanelHeight - kPlotTop - kPlotBottom;
  fill_rectangle(background_, {left, top}, {width, height}, kFilmPlot);
  draw_text(background_, {as_pixels(left), as_pixels(top - 5)}, panel.title, kFilmLabel);
  // The ends of the value axis.
  const auto [low, high] = panel.drawn_range();
  std::vector<std::pair<double, std::int64_t>> ticks = {{high, top + 7}, {low, top + height}};
  const auto [least, most] = panel.range();
  if (least == most) ticks = {{least, top + height / 2 + 3}};
  if (!panel.has_values()) ticks.clear();
  for (const auto& [value, y] : ticks) {
    const std::string text = fmt::format("{:.3g}", value);
    draw_text(background_, {as_pixels(left - 5) - text_width(text, kFilmTick), as_pixels(y)}, text,
              kFilmTick);
  }
  // The curves.
  for (const auto& [values, color, thickness] :
       {std::tuple{&panel.state, kStateColor, 2.0}, std::tuple{&panel.action, kActionColor, 1.4}}) {
    const auto count = static_cast<std::int64_t>(values->size());
    num_rows_ = std::max(num_rows_, count);
    std::vector<PixelPoint> line;
    for (std::int64_t row = 0; row < count; ++row) {
      const double y = (high - (*values)[static_cast<std::size_t>(row)]) / (high - low);
      line.push_back({as_pixels(left) + x_of_row(row, count, width),
                      as_pixels(top) + 2 + y * as_pixels(height - 4)});
    }
    if (!line.empty()) draw_polyline(background_, line, color, thickness);
  }
}

at::Tensor EpisodeFilm::frame(const std::vector<at::Tensor>& images, std::int64_t row) const {
  ROBOIMI_CHECK(images.size() == views_.size(), c10::str(images.size(), " images"));
  at::Tensor frame = background_.clone();
  std::int64_t left = views_left_;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const at::Tensor view = resize_image(images[i].contiguous(), view_height_, view_widths_[i]);
    frame.slice(0, 0, view_height_).slice(1, left, left + view_widths_[i]).copy_(view);
    const auto width = static_cast<std::int64_t>(text_width(views_[i].name, kCameraName));
    fill_rectangle(frame, {left, 0}, {width + 12, 17}, {48, 51, 58});
    draw_text(frame, {as_pixels(left) + 6, 13}, views_[i].name, kCameraName);
    left += view_widths_[i];
  }
  const std::int64_t width = panel_width_ - kPlotLeft - kPlotRight;
  for (std::size_t i = 0; i < num_panels_; ++i) {
    const auto x = static_cast<std::int64_t>(std::lround(x_of_row(row, num_rows_, width)));
    fill_rectangle(frame, {panel_left(i) + x, panel_top(i)},
                   {1, kPanelHeight - kPlotTop - kPlotBottom}, kCursorColor);
  }
  return frame;
}

}  // namespace roboimi::app
