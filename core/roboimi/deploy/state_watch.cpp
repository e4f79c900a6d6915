#include "roboimi/deploy/state_watch.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "roboimi/common/error.h"
#include "roboimi/common/log.h"

namespace roboimi {
namespace {

// The smallest width used for an element's range, as a fraction of the widest element's. Without it
// an element that hardly moves in the data would always count as outside.
constexpr double kSmallestWidth = 0.05;
constexpr std::size_t kMostNamed = 4;  // elements listed in a warning

}  // namespace

StateWatch::StateWatch(const std::optional<StateRange>& range, std::int64_t state_dim,
                       const std::string& where) {
  if (!range) return;
  const auto size = static_cast<std::size_t>(state_dim);
  if (range->min.size() != size || range->max.size() != size) {
    throw Error({.what = "the checkpoint's state_range does not match its states",
                 .where = where,
                 .expected = fmt::format("{} values", size),
                 .found = fmt::format("{} and {}", range->min.size(), range->max.size())});
  }
  min_ = range->min;
  max_ = range->max;
  double widest = 0.0;
  for (std::size_t i = 0; i < size; ++i) {
    width_.push_back(max_[i] - min_[i]);
    widest = std::max(widest, width_.back());
  }
  for (double& width : width_) width = std::max(width, kSmallestWidth * widest);
  told_.assign(size, false);
  // States that never change do not show their unit.
  if (widest == 0.0) width_.clear();
}

std::vector<std::int64_t> StateWatch::outside(const at::Tensor& state) {
  std::vector<std::int64_t> elements;
  // The state of an agent that does not read it may be missing, and was not checked.
  if (!state.defined() || state.numel() != std::ssize(width_)) return elements;
  const at::Tensor values = state.to(at::kCPU, at::kDouble).contiguous();
  const double* value = values.const_data_ptr<double>();
  bool is_new = false;
  for (std::size_t i = 0; i < width_.size(); ++i) {
    if (value[i] >= min_[i] - width_[i] && value[i] <= max_[i] + width_[i]) continue;
    elements.push_back(static_cast<std::int64_t>(i));
    is_new = is_new || !told_[i];
  }
  if (is_new) warn(elements, values);
  return elements;
}

void StateWatch::warn(const std::vector<std::int64_t>& elements, const at::Tensor& state) {
  std::string text;
  std::size_t count = 0;
  for (const std::int64_t element : elements) {
    const auto i = static_cast<std::size_t>(element);
    if (told_[i]) continue;
    told_[i] = true;
    if (++count > kMostNamed) continue;
    text += fmt::format("{}state[{}] is {:.4g}, training data {:.4g} to {:.4g}",
                        text.empty() ? "" : "; ", element, state[element].item<double>(), min_[i],
                        max_[i]);
  }
  if (count > kMostNamed) text += fmt::format("; and {} more", count - kMostNamed);
  logger().warn(
      "the robot's state is far outside the policy's training data (other units, or another order "
      "of joints?): {}",
      text);
}

}  // namespace roboimi
