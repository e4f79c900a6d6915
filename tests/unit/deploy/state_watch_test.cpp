#include "roboimi/deploy/state_watch.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "roboimi/common/log_route.h"
#include "tests/error_text.h"

namespace roboimi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Two joints in radians, and a third that never moved.
StateRange radians() { return {.min = {-1.0, 0.5, 0.2}, .max = {1.0, 1.5, 0.2}}; }

class WatchedState : public ::testing::Test {
 protected:
  WatchedState() {
    set_log_handler([this](LogLevel, std::string_view message) { log_.emplace_back(message); });
  }
  ~WatchedState() override { set_log_handler({}); }

  std::vector<std::string> log_;
};

TEST_F(WatchedState, IsNotReportedInsideOrSlightlyOutsideTheData) {
  StateWatch watch(radians(), 3, "runs/x");
  EXPECT_THAT(watch.outside(at::tensor({0.F, 1.F, 0.2F})), IsEmpty());
  EXPECT_THAT(watch.outside(at::tensor({-2.9F, 2.4F, 0.25F})), IsEmpty());
  EXPECT_THAT(log_, IsEmpty());
}

TEST_F(WatchedState, InDegreesIsReportedAndLoggedOncePerElement) {
  StateWatch watch(radians(), 3, "runs/x");
  EXPECT_THAT(watch.outside(at::tensor({57.3F, 1.F, 0.2F})), ElementsAre(0));
  EXPECT_THAT(watch.outside(at::tensor({57.3F, 1.F, 0.2F})), ElementsAre(0));
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_THAT(log_[0], HasSubstr("far outside the policy's training data (other units"));
  EXPECT_THAT(log_[0], HasSubstr("state[0] is 57.3, training data -1 to 1"));
  EXPECT_THAT(watch.outside(at::tensor({57.3F, 85.F, 11.5F})), ElementsAre(0, 1, 2));
  ASSERT_EQ(log_.size(), 2u);
  EXPECT_THAT(log_[1], HasSubstr("state[1] is 85, training data 0.5 to 1.5; state[2] is 11.5, "
                                 "training data 0.2 to 0.2"));
}

TEST_F(WatchedState, IsNotCheckedWithoutARecordedRange) {
  EXPECT_THAT(StateWatch({}, 3, "runs/x").outside(at::full({3}, 1e3F)), IsEmpty());
  StateWatch still(StateRange{.min = {1, 1}, .max = {1, 1}}, 2, "runs/x");
  EXPECT_THAT(still.outside(at::full({2}, 1e3F)), IsEmpty());
}

TEST_F(WatchedState, MayBeMissingForAnAgentThatDoesNotReadIt) {
  StateWatch watch(radians(), 3, "runs/x");
  EXPECT_THAT(watch.outside(at::Tensor()), IsEmpty());
  EXPECT_THAT(watch.outside(at::tensor({57.3F})), IsEmpty());
}

TEST_F(WatchedState, OfAnotherSizeIsAnError) {
  EXPECT_THAT(error_text([] { StateWatch(radians(), 4, "runs/x"); }),
              HasSubstr("runs/x: the checkpoint's state_range does not match its states: expected "
                        "4 values; found 3 and 3"));
}

}  // namespace
}  // namespace roboimi
