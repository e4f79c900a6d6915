#include "roboimi/train/stop_request.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace roboimi {
namespace {

TEST(StopRequest, CountsSignalsInQuickSuccessionAsOne) {
  const StopRequest stop;
  EXPECT_FALSE(stop.requested());
  std::raise(SIGTERM);
  std::raise(SIGTERM);
  std::raise(SIGINT);
  EXPECT_TRUE(stop.requested());
}

void raise_twice(int signal) {
  const StopRequest stop;
  std::raise(signal);
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  std::raise(signal);
  std::_Exit(0);
}

TEST(StopRequestDeathTest, ALaterSignalEndsTheProcess) {
  EXPECT_EXIT(raise_twice(SIGINT), testing::KilledBySignal(SIGINT), "");
  EXPECT_EXIT(raise_twice(SIGTERM), testing::KilledBySignal(SIGTERM), "");
  EXPECT_EXIT(raise_twice(SIGHUP), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace roboimi
