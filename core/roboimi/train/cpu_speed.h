// Advice for a training that is too large for a CPU.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

// Trained parameters above which training is slow on a CPU.
inline constexpr std::int64_t kManyForCpu = 10'000'000;

// What to do about a training that is slow on a CPU.
ROBOIMI_EXPORT extern const char* const kCpuAdvice;

// Estimates the duration of a training from its first steps.
class ROBOIMI_EXPORT CpuEstimate {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  // `clock` is replaced in tests.
  CpuEstimate(std::int64_t first_step, std::int64_t max_steps,
              Clock clock = std::chrono::steady_clock::now);

  // Call after every step. Returns a warning, once, if the training would take more than two days;
  // otherwise an empty string. The first step is not measured, because it also allocates memory.
  std::string after_step(std::int64_t step);

 private:
  std::int64_t first_step_, max_steps_;
  Clock clock_;
  std::chrono::steady_clock::time_point started_;
};

}  // namespace roboimi
