#include "suite/report_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "roboimi/common/text.h"

namespace roboimi {
namespace {

constexpr double kWidth = 480, kHeight = 280;
constexpr double kLeft = 58, kRight = 22, kTop = 14, kBottom = 46;
constexpr std::size_t kMostPoints = 300;

// The nicest step (1, 2 or 5 times a power of ten) that gives about five intervals.
double nice_step(double range) {
  const double rough = range / 5;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (rough <= factor * power) return factor * power;
  }
  return 10 * power;
}

std::string step_label(double x) {
  return x >= 1000 ? fmt::format("{:.4g}k", x / 1000) : fmt::format("{:.4g}", x);
}

// From values to the drawing's coordinates.
class Axes {
 public:
  explicit Axes(const Chart& chart) : logarithmic_(chart.logarithmic), is_rate_(chart.is_rate) {
    for (const ChartLine& line : chart.lines) {
      for (const ChartPoint& point : line.points) {
        x_max_ = std::max(x_max_, point.x);
        for (const double y : {point.y.mean, point.y.low, point.y.high}) {
          // An interval may reach below zero, where a logarithm does not.
          if (logarithmic_ && y <= 0) continue;
          low_ = std::min(low_, scaled(y));
          high_ = std::max(high_, scaled(y));
        }
      }
    }
    if (is_rate_) low_ = 0, high_ = 1;
    // Steps of the grid must be seen in a double, however large the values are.
    const double size = std::max({1.0, std::abs(low_), std::abs(high_)});
    if (high_ - low_ < 1e-9 * size) low_ -= 0.5 * size, high_ += 0.5 * size;
  }

  double x(double value) const { return kLeft + value / x_max_ * (kWidth - kLeft - kRight); }
  double y(double value) const {
    const double share = logarithmic_ && value <= 0 ? 0.0 : (scaled(value) - low_) / (high_ - low_);
    return kHeight - kBottom - std::clamp(share, 0.0, 1.0) * (kHeight - kTop - kBottom);
  }

  std::string grid() const {
    std::string svg;
    const double y_step = nice_step(high_ - low_);
    for (double tick = std::ceil(low_ / y_step) * y_step; tick <= high_ + 1e-9; tick += y_step) {
      const double value = logarithmic_ ? std::pow(10.0, tick) : tick;
      const std::string label = is_rate_ ? fmt::format("{:.0f} %", 100 * value)
                                : logarithmic_
                                    ? fmt::format("{:.2g}", value)
                                    : fmt::format("{:.4g}", 1e-12 * std::round(1e12 * value) + 0.0);
      svg += fmt::format(
          "<line class='grid' x1='{0}' x2='{1}' y1='{2:.1f}' y2='{2:.1f}'/>"
          "<text x='{3}' y='{4:.1f}' text-anchor='end'>{5}</text>",
          kLeft, kWidth - kRight, y(value), kLeft - 6, y(value) + 4, label);
    }
    const double x_step = nice_step(x_max_);
    for (double tick = 0; tick <= x_max_ + 1e-9; tick += x_step) {
      svg += fmt::format("<text x='{:.1f}' y='{}' text-anchor='middle'>{}</text>", x(tick),
                         kHeight - kBottom + 19, step_label(tick));
    }
    return svg;
  }

 private:
  double scaled(double value) const { return logarithmic_ ? std::log10(value) : value; }

  bool logarithmic_, is_rate_;
  double x_max_ = 1.0;
  double low_ = std::numeric_limits<double>::infinity();
  double high_ = -std::numeric_limits<double>::infinity();
};

std::string line_svg(const ChartLine& line, const Axes& axes) {
  std::string path, upper, lower;
  bool has_band = false;
  const std::size_t stride = line.points.size() / kMostPoints + 1;
  for (std::size_t i = 0; i < line.points.size(); ++i) {
    if (i % stride != 0 && i + 1 != line.points.size()) continue;
    const ChartPoint& point = line.points[i];
    path += fmt::format("{:.1f},{:.1f} ", axes.x(point.x), axes.y(point.y.mean));
    upper += fmt::format("{:.1f},{:.1f} ", axes.x(point.x), axes.y(point.y.high));
    lower = fmt::format("{:.1f},{:.1f} ", axes.x(point.x), axes.y(point.y.low)) + lower;
    has_band |= point.y.high > point.y.low;
  }
  const std::string colour = fmt::format("var(--c{})", line.colour % 8);
  std::string svg;
  if (has_band) {
    svg +=
        fmt::format("<polygon points='{}{}' style='fill:{}' opacity='.18'/>", upper, lower, colour);
  }
  svg += fmt::format("<polyline points='{}' style='stroke:{}'><title>{}</title></polyline>", path,
                     colour, html_text(line.name));
  // Few points are seen as such.
  for (const ChartPoint& point : line.points) {
    if (line.points.size() > 30) break;
    svg += fmt::format(
        "<circle cx='{:.1f}' cy='{:.1f}' r='3' style='fill:{}'><title>{}, step {}: "
        "{:.4g}</title></circle>",
        axes.x(point.x), axes.y(point.y.mean), colour, html_text(line.name), point.x, point.y.mean);
  }
  return svg;
}

}  // namespace

std::string html_text(const std::string& text) {
  std::string escaped;
  for (const char c : printable(text, 10'000)) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string chart_svg(Chart chart) {
  std::erase_if(chart.lines, [](const ChartLine& line) { return line.points.empty(); });
  if (chart.lines.empty()) return "";
  for (const ChartLine& line : chart.lines) {
    for (const ChartPoint& point : line.points) chart.logarithmic &= point.y.mean > 0;
  }
  const Axes axes(chart);
  std::string svg = fmt::format(
      "<figure><figcaption>{}{}</figcaption><svg viewBox='0 0 {} {}' role='img' aria-label='{}'>",
      html_text(chart.title), chart.logarithmic ? " (logarithmic)" : "", kWidth, kHeight,
      html_text(chart.title));
  svg += axes.grid();
  for (const ChartLine& line : chart.lines) svg += line_svg(line, axes);
  svg += fmt::format("<text x='{}' y='{}' text-anchor='end'>training step</text></svg></figure>\n",
                     kWidth - kRight, kHeight - 4);
  return svg;
}

}  // namespace roboimi
