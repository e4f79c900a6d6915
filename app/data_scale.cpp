#include "app/data_scale.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "app/data_findings.h"

namespace roboimi::app {
namespace {

// Two levels: shares of the range and of the rows.
constexpr double kLevelShare = 0.05, kShareAtLevels = 0.9, kLeastAtLevel = 0.05;

// Whether nearly all values lie at one of two levels, as those of a gripper that is open or closed.
bool has_two_levels(std::vector<double> values, double min, double max) {
  const double middle = (min + max) / 2, tolerance = kLevelShare * (max - min);
  const auto first_high =
      std::ranges::partition(values, [&](double value) { return value < middle; }).begin();
  double num_inside = 0.0;
  for (const auto& [begin, end] :
       {std::pair(values.begin(), first_high), std::pair(first_high, values.end())}) {
    const double level = median_of({begin, end});
    const auto inside = static_cast<double>(std::count_if(
        begin, end, [&](double value) { return std::abs(value - level) <= tolerance; }));
    if (inside < kLeastAtLevel * static_cast<double>(values.size())) return false;
    num_inside += inside;
  }
  return num_inside >= kShareAtLevels * static_cast<double>(values.size());
}

}  // namespace

double value_at(const at::Tensor& values, std::int64_t row, std::int64_t column) {
  return values.const_data_ptr<double>()[row * values.size(1) + column];
}

double step_at(const at::Tensor& values, std::int64_t row, std::int64_t column) {
  return std::abs(value_at(values, row, column) - value_at(values, row - 1, column));
}

std::int64_t width_of(const DataTable& table) {
  for (const at::Tensor& values : table.episodes) {
    if (values.defined()) return values.size(1);
  }
  return 0;
}

DimensionScale scale_of(const DataTable& table, std::int64_t column) {
  DimensionScale scale{.min = std::numeric_limits<double>::infinity(),
                       .max = -std::numeric_limits<double>::infinity()};
  std::vector<double> steps, finite;
  for (const at::Tensor& values : table.episodes) {
    if (!values.defined()) continue;
    for (std::int64_t row = 0; row < values.size(0); ++row) {
      const double value = value_at(values, row, column);
      if (!std::isfinite(value)) continue;
      scale.has_values = true;
      finite.push_back(value);
      scale.min = std::min(scale.min, value);
      scale.max = std::max(scale.max, value);
      if (row == 0) continue;
      const double step = step_at(values, row, column);
      if (std::isfinite(step) && step > 0.0) steps.push_back(step);
    }
  }
  scale.median_step = median_of(std::move(steps));
  scale.has_two_levels =
      scale.min < scale.max && has_two_levels(std::move(finite), scale.min, scale.max);
  return scale;
}

}  // namespace roboimi::app
