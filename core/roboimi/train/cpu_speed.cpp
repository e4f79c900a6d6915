#include "roboimi/train/cpu_speed.h"

#include <fmt/format.h>

namespace roboimi {
namespace {

constexpr std::int64_t kMeasuredSteps = 3;
constexpr double kSecondsPerDay = 24 * 60 * 60;
constexpr double kMostDays = 2.0;

}  // namespace

const char* const kCpuAdvice = "use a GPU, or size=small and a frozen encoder (see docs/data.md)";

CpuEstimate::CpuEstimate(std::int64_t first_step, std::int64_t max_steps, Clock clock)
    : first_step_(first_step), max_steps_(max_steps), clock_(std::move(clock)) {}

std::string CpuEstimate::after_step(std::int64_t step) {
  const std::int64_t measured = step - first_step_ - 1;
  if (measured == 0) started_ = clock_();
  if (measured != kMeasuredSteps) return "";
  const double seconds = std::chrono::duration<double>(clock_() - started_).count() /
                         static_cast<double>(kMeasuredSteps);
  const double days = seconds * static_cast<double>(max_steps_ - step) / kSecondsPerDay;
  if (days <= kMostDays) return "";
  return fmt::format(
      "this training will take about {:.1f} days on this CPU ({:.1f} s per step, {} steps left): "
      "{}",
      days, seconds, max_steps_ - step, kCpuAdvice);
}

}  // namespace roboimi
