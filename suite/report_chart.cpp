#include "suite/report_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>

#include "roboimi/common/text.h"

namespace roboimi {
namespace {

constexpr double kWidth = 480, kHeight = 280;
constexpr double kLeft = 58, kRight = 22, kTop = 14, kBottom = 46;
constexpr std::size_t kMostPoints = 300;

// The step of a grid, 1, 2 or 5 times a power of ten, that gives about five intervals.
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

// Maps values to the coordinates of the drawing.
class Axes {
 public:
  explicit Axes(const Chart& chart) : logarithmic_(chart.logarithmic), is_rate_(chart.is_rate) {
    double lowest_mean = std::numeric_limits<double>::infinity();
    for (const ChartLine& line : chart.lines) {
      for (const ChartPoint& point : line.points) {
        x_max_ = std::max(x_max_, point.x);
        lowest_mean = std::min(lowest_mean, point.y.mean);
        for (const double y : {point.y.mean, point.y.low, point.y.high}) {
          // An interval may reach below zero, which has no logarithm.
          if (logarithmic_ && y <= 0) continue;
          low_ = std::min(low_, scaled(y));
          high_ = std::max(high_, scaled(y));
        }
      }
    }
    if (is_rate_) low_ = 0, high_ = 1;
    // Rewards, speeds and the like start at zero, even if an interval reaches below it.
    if (!logarithmic_ && lowest_mean >= 0) low_ = 0;
    // The steps of the grid must not be lost in the rounding of large values.
    const double size = std::max({1.0, std::abs(low_), std::abs(high_)});
    if (high_ - low_ < 1e-9 * size) {
      if (low_ != 0) low_ -= 0.5 * size;
      high_ += 0.5 * size;
    }
  }

  double x(double value) const { return kLeft + value / x_max_ * (kWidth - kLeft - kRight); }
  double y(double value) const {
    const double share = logarithmic_ && value <= 0 ? 0.0 : (scaled(value) - low_) / (high_ - low_);
    return kHeight - kBottom - std::clamp(share, 0.0, 1.0) * (kHeight - kTop - kBottom);
  }

  std::string grid() const {
    std::string svg;
    for (const double value : y_ticks()) {
      const std::string label = is_rate_
                                    ? fmt::format("{:.0f} %", 100 * value)
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
  std::vector<double> y_ticks() const {
    return logarithmic_ ? logarithmic_ticks() : linear_ticks(low_, high_);
  }

  static std::vector<double> linear_ticks(double low, double high) {
    std::vector<double> ticks;
    const double step = nice_step(high - low);
    for (double tick = std::ceil(low / step) * step; tick <= high + 1e-9 * step; tick += step) {
      ticks.push_back(tick);
    }
    return ticks;
  }

  // 1, 2 and 5 times powers of ten; only the powers over a wide range, and a linear grid over a
  // narrow one.
  std::vector<double> logarithmic_ticks() const {
    constexpr std::size_t kFewest = 3, kMost = 8;
    const auto ticks_of = [&](std::initializer_list<double> factors) {
      std::vector<double> ticks;
      for (double power = std::floor(low_); power <= high_; power += 1) {
        for (const double factor : factors) {
          const double tick = power + std::log10(factor);
          if (tick >= low_ - 1e-9 && tick <= high_ + 1e-9) ticks.push_back(std::pow(10.0, tick));
        }
      }
      return ticks;
    };
    const std::vector<double> all = ticks_of({1, 2, 5}), powers = ticks_of({1});
    if (all.size() > kMost && powers.size() >= kFewest) return powers;
    if (all.size() >= kFewest) return all;
    return linear_ticks(std::pow(10.0, low_), std::pow(10.0, high_));
  }

  double scaled(double value) const { return logarithmic_ ? std::log10(value) : value; }

  bool logarithmic_, is_rate_;
  double x_max_ = 1.0;
  double low_ = std::numeric_limits<double>::infinity();
  double high_ = -std::numeric_limits<double>::infinity();
};

std::string line_svg(const ChartLine& line, const Axes& axes, double radius) {
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
  const std::string color = fmt::format("var(--c{})", line.color % 8);
  std::string svg;
  if (has_band) {
    svg +=
        fmt::format("<polygon points='{}{}' style='fill:{}' opacity='.18'/>", upper, lower, color);
  }
  svg += fmt::format("<polyline points='{}' style='stroke:{}'><title>{}</title></polyline>", path,
                     color, html_text(line.name));
  // Points are marked if there are few. The first line has the largest ones, so that equal values
  // of several lines show as rings.
  if (line.points.size() > 30) return svg;
  for (const ChartPoint& point : line.points) {
    svg += fmt::format(
        "<circle cx='{:.1f}' cy='{:.1f}' r='{:.1f}' style='fill:{}'><title>{}, step {}: "
        "{:.4g}</title></circle>",
        axes.x(point.x), axes.y(point.y.mean), radius, color, html_text(line.name), point.x,
        point.y.mean);
  }
  return svg;
}

}  // namespace

std::string html_text(const std::string& text) { return escape_html(printable(text, 10'000)); }

std::string chart_svg(Chart chart) {
  std::erase_if(chart.lines, [](const ChartLine& line) { return line.points.empty(); });
  if (chart.lines.empty()) return "";
  for (const ChartLine& line : chart.lines) {
    for (const ChartPoint& point : line.points) chart.logarithmic &= point.y.mean > 0;
  }
  const Axes axes(chart);
  std::string svg = fmt::format(
      "<figure><figcaption>{}{}</figcaption><svg viewBox='0 0 {} {}' role='img' aria-label='{}'>",
      html_text(chart.title), chart.logarithmic ? " (log scale)" : "", kWidth, kHeight,
      html_text(chart.title));
  svg += axes.grid();
  for (std::size_t i = 0; i < chart.lines.size(); ++i) {
    const std::size_t above = std::min<std::size_t>(3, chart.lines.size() - 1 - i);
    svg += line_svg(chart.lines[i], axes, 3.0 + 1.5 * static_cast<double>(above));
  }
  svg += fmt::format("<text x='{}' y='{}' text-anchor='end'>training step</text></svg></figure>\n",
                     kWidth - kRight, kHeight - 4);
  return svg;
}

}  // namespace roboimi
