// Tests that thousands of calls take no more memory than hundreds, with and without a worker
// thread.
#include <gtest/gtest.h>
#include <malloc.h>

#include "roboimi/checkpoint/loaded_run.h"
#include "roboimi/deploy/policy.h"
#include "tests/plugins/vla_agent/fake_parts.h"

namespace roboimi {
namespace {

// Bytes currently allocated by all threads.
std::int64_t allocated() {
  const auto info = ::mallinfo2();
  return static_cast<std::int64_t>(info.uordblks + info.hblkhd);
}

// Growth in allocated bytes over 4000 calls, after the first 400.
std::int64_t growth(const vla_agent::VlaAgentOptions& acting, const PolicyOptions& options) {
  const Horizons horizons = {2, 16, 8, Alignment::kFirstObservation};
  const vla_agent::Fixture parts(horizons, true, acting);
  Policy policy({.agent = parts.agent}, options, "test");
  policy.reset(0, Policy::kUnknownCommand);
  const auto play = [&](int calls) {
    for (int step = 0; step < calls; ++step) {
      policy.act(vla_agent::observation(step % 100, policy.needs_images()));
    }
    policy.reset(0, Policy::kUnknownCommand);  // waits for the worker
    return allocated();
  };
  const std::int64_t before = play(400);
  const std::int64_t after = play(4000);
  EXPECT_EQ(policy.report().steps, 4400);
  return after - before;
}

const LimitOptions kLimits = {.min = {-100, -100}, .max = {3, 100}, .largest_step = {1, 1}};

// The allocator's count includes the few freed blocks that each thread caches. A leak of one block
// of the smallest size, 32 bytes, in each call would be twice this.
constexpr std::int64_t kThreadCaches = 64 << 10;

TEST(PolicyMemory, DoesNotGrowOverThousandsOfCalls) {
  EXPECT_LT(growth({}, {.limits = kLimits}), kThreadCaches);
}

TEST(PolicyMemory, DoesNotGrowWithAWorkerThread) {
  EXPECT_LT(growth({.latency_steps = 2}, {.limits = kLimits}), kThreadCaches);
  EXPECT_LT(growth({}, {.deadline_ms = 1000.0, .limits = kLimits}), kThreadCaches);
  EXPECT_LT(growth({.latency_steps = 2}, {.deadline_ms = 0.05, .limits = kLimits}), kThreadCaches);
}

}  // namespace
}  // namespace roboimi
