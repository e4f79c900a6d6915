// Tests of the parts from which the embedding cache's pipeline is built.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "roboimi/data/background_queue.h"
#include "roboimi/data/prefetcher.h"

namespace roboimi {
namespace {

using std::chrono::milliseconds;

TEST(BackgroundQueue, RunsTasksInOrderAndHoldsAtMostItsLimit) {
  std::vector<int> order;
  std::atomic<int> pushed = 0, done = 0;
  int most = 0;
  {
    BackgroundQueue queue(2);
    for (int i = 0; i < 20; ++i) {
      queue.push([&, i] {
        // Two tasks wait, one runs, and one is being pushed.
        most = std::max(most, pushed - done);
        std::this_thread::sleep_for(milliseconds(1));
        order.push_back(i);
        ++done;
      });
      ++pushed;
    }
    queue.finish();
    EXPECT_EQ(done, 20);
    queue.push([&] { order.push_back(20); });
  }
  EXPECT_LE(most, 4);
  ASSERT_EQ(order.size(), 21U);  // the destructor waits
  for (int i = 0; i <= 20; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(BackgroundQueue, RethrowsTheErrorOfATaskAndDropsLaterOnes) {
  BackgroundQueue queue(3);
  bool later = false;
  queue.push([] {
    std::this_thread::sleep_for(milliseconds(20));
    throw std::runtime_error("disk full");
  });
  queue.push([&] { later = true; });
  EXPECT_THROW(queue.finish(), std::runtime_error);
  EXPECT_THROW(queue.push([] {}), std::runtime_error);
  EXPECT_FALSE(later);
}

TEST(Prefetcher, ComputesSeveralStepsAtOnceWithSeveralThreads) {
  std::atomic<int> running = 0, most = 0, calls = 0;
  Prefetcher<std::int64_t> squares(
      [&](std::int64_t step) {
        const int now = ++running;
        for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
        }
        std::this_thread::sleep_for(milliseconds(20));
        --running;
        ++calls;
        if (step == 7) throw std::runtime_error("step 7");
        return step * step;
      },
      3, 3);
  for (std::int64_t step = 0; step < 12; ++step) {
    if (step == 7) {
      EXPECT_THROW(squares.get(step), std::runtime_error);
    } else {
      EXPECT_EQ(squares.get(step), step * step);
    }
  }
  EXPECT_EQ(most, 3);
  EXPECT_LE(calls, 12 + 3);  // none twice
}

}  // namespace
}  // namespace roboimi
