#include "roboimi/train/cpu_speed.h"

#include <gtest/gtest.h>

namespace roboimi {
namespace {

using namespace std::chrono_literals;

// The warnings of the first steps of a training whose steps take `each` and the first one longer.
std::string warnings(std::int64_t first, std::int64_t max_steps, std::chrono::milliseconds each) {
  auto now = std::chrono::steady_clock::now();
  CpuEstimate estimate(first, max_steps, [&now] { return now; });
  std::string text;
  now += 100 * each;
  for (std::int64_t step = first + 1; step <= first + 10; ++step) {
    text += estimate.after_step(step);
    now += each;
  }
  return text;
}

TEST(CpuEstimate, WarnsOnceOfATrainingOfDays) {
  EXPECT_EQ(warnings(0, 50000, 10s),
            "this training will take about 5.8 days on this CPU (10.0 s per step, 49996 steps "
            "left): use a GPU, or size=small and a frozen encoder (see docs/data.md)");
}

TEST(CpuEstimate, CountsTheStepsThatAreLeft) {
  EXPECT_EQ(warnings(0, 17000, 10s), "");
  EXPECT_EQ(warnings(40000, 50000, 10s), "");
  EXPECT_NE(warnings(40000, 60000, 10s), "");
  EXPECT_EQ(warnings(0, 50000, 10ms), "");
}

}  // namespace
}  // namespace roboimi
