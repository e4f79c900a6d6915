#include "roboimi/deploy/action_limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

constexpr float kUnlimited = std::numeric_limits<float>::infinity();

void check(bool is_valid, const char* what, const std::string& where, const char* expected) {
  if (!is_valid) throw Error({.what = what, .where = where, .expected = expected});
}

void check_numbers(const std::vector<double>& numbers, std::int64_t action_dim, const char* name,
                   const std::string& where) {
  if (static_cast<std::int64_t>(numbers.size()) != action_dim) {
    throw Error({.what = fmt::format("limits.{} does not match the policy's actions", name),
                 .where = where,
                 .expected = fmt::format("{} values", action_dim),
                 .found = std::to_string(numbers.size())});
  }
  check(std::ranges::none_of(numbers, [](double x) { return std::isnan(x); }), "a limit is NaN",
        where, "numbers, infinity for a joint without a limit");
}

bool are_steps(const std::vector<double>& numbers) {
  return std::ranges::all_of(numbers, [](double step) { return step >= 0; });
}

void check_options(const LimitOptions& options, std::int64_t action_dim, const std::string& where) {
  // Infinity times a range of 0 would be NaN, which limits nothing.
  check(std::isfinite(options.range_margin), "limits.range_margin is not finite", where,
        "a number; limits.range=false removes the limit");
  check(std::isfinite(options.step_factor), "limits.step_factor is not finite", where,
        "a number; limits.step=false removes the limit");
  check(options.range_margin >= 0, "limits.range_margin is negative", where, "at least 0");
  check(options.step_factor > 0, "limits.step_factor is not positive", where, "above 0");
  // Empty lists use the data's limits.
  if (!options.min.empty()) check_numbers(options.min, action_dim, "min", where);
  if (!options.max.empty()) check_numbers(options.max, action_dim, "max", where);
  if (options.largest_step.empty()) return;
  check_numbers(options.largest_step, action_dim, "largest_step", where);
  check(are_steps(options.largest_step), "a limit of limits.largest_step is negative", where,
        "at least 0");
}

bool needs_range_of_data(const LimitOptions& options) {
  return options.range && (options.min.empty() || options.max.empty());
}

bool needs_step_of_data(const LimitOptions& options) {
  return options.step && options.largest_step.empty();
}

// Checks the lists that the limits use. The file they are from may have any size.
void check_data(const LimitOptions& options, const std::optional<ActionRange>& data,
                std::int64_t action_dim, const std::string& where) {
  if (!needs_range_of_data(options) && !needs_step_of_data(options)) return;
  if (!data) {
    throw Error({.what = "the checkpoint does not record the range of its training actions",
                 .where = where,
                 .expected = "an action_range in its state.json, for the policy's limits",
                 .next = "train it again, set limits.min, limits.max and limits.largest_step, or "
                         "turn off limits.range and limits.step"});
  }
  if (needs_range_of_data(options)) {
    check_numbers(data->min, action_dim, "min from the data", where);
    check_numbers(data->max, action_dim, "max from the data", where);
  }
  if (needs_step_of_data(options)) {
    check_numbers(data->largest_step, action_dim, "largest_step from the data", where);
    check(are_steps(data->largest_step), "a largest step from the data is negative", where,
          "at least 0");
  }
}

// Clamps a joint's value to [low, high] and adds the joint to `joints` if that changed it.
float clamp_joint(float value, float low, float high, std::int64_t joint,
                  std::vector<std::int64_t>& joints) {
  if (value < low || value > high) joints.push_back(joint);
  return std::clamp(value, low, high);
}

}  // namespace

ActionLimits::ActionLimits(const LimitOptions& options, const std::optional<ActionRange>& data,
                           std::int64_t action_dim, const std::string& where) {
  check_options(options, action_dim, where);
  check_data(options, data, action_dim, where);
  const auto size = static_cast<std::size_t>(action_dim);
  min_.assign(size, -kUnlimited);
  max_.assign(size, kUnlimited);
  step_.assign(size, kUnlimited);
  // For each joint: the given limits, else the data's with margin and factor.
  for (std::size_t i = 0; i < size; ++i) {
    const double margin =
        needs_range_of_data(options) ? options.range_margin * (data->max[i] - data->min[i]) : 0.0;
    if (options.range) {
      min_[i] = static_cast<float>(options.min.empty() ? data->min[i] - margin : options.min[i]);
      max_[i] = static_cast<float>(options.max.empty() ? data->max[i] + margin : options.max[i]);
    }
    if (options.step) {
      step_[i] = static_cast<float>(options.largest_step.empty()
                                        ? options.step_factor * data->largest_step[i]
                                        : options.largest_step[i]);
    }
    if (min_[i] <= max_[i]) continue;
    throw Error({.what = fmt::format("joint {} has a minimum above its maximum", i),
                 .where = where,
                 .found = fmt::format("{} and {}", min_[i], max_[i])});
  }
}

LimitedAction ActionLimits::apply(const at::Tensor& wanted, const at::Tensor& last) const {
  LimitedAction limited{.action = wanted.clone(at::MemoryFormat::Contiguous)};
  float* const values = limited.action.mutable_data_ptr<float>();
  const at::Tensor from = last.defined() ? last.contiguous() : last;
  for (std::size_t i = 0; i < min_.size(); ++i) {
    const auto joint = static_cast<std::int64_t>(i);
    values[i] = clamp_joint(values[i], min_[i], max_[i], joint, limited.by_range);
    if (!from.defined()) continue;
    const float before = from.const_data_ptr<float>()[i];
    values[i] =
        clamp_joint(values[i], before - step_[i], before + step_[i], joint, limited.by_step);
  }
  return limited;
}

}  // namespace roboimi
