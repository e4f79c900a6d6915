#include "roboimi/deploy/action_limits.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/error_text.h"

namespace roboimi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const ActionRange kData = {.min = {-1, 0}, .max = {1, 10}, .largest_step = {0.1, 2}};

LimitedAction apply(const LimitOptions& options, std::vector<float> wanted,
                    std::optional<std::vector<float>> last = {}) {
  const ActionLimits limits(options, kData, 2, "test");
  return limits.apply(at::tensor(wanted), last ? at::tensor(*last) : at::Tensor());
}

std::vector<float> numbers(const LimitedAction& limited) {
  return {limited.action[0].item<float>(), limited.action[1].item<float>()};
}

std::string error_of(const LimitOptions& options, const std::optional<ActionRange>& data) {
  return error_or_accepted([&] { ActionLimits(options, data, 2, "runs/old"); });
}

TEST(ActionLimits, DoNotChangeAnActionInsideThem) {
  const LimitedAction limited = apply({}, {0.5, 5}, std::vector<float>{0.5, 4});
  EXPECT_THAT(numbers(limited), ElementsAre(0.5F, 5.F));
  EXPECT_THAT(limited.by_range, IsEmpty());
  EXPECT_THAT(limited.by_step, IsEmpty());
}

TEST(ActionLimits, ClampToTheDataRangePlusAMargin) {
  const LimitedAction limited = apply({}, {-3, 12});
  EXPECT_THAT(numbers(limited), ElementsAre(-1.1F, 10.5F));  // 5 % of 2 and of 10
  EXPECT_THAT(limited.by_range, ElementsAre(0, 1));
  EXPECT_THAT(numbers(apply({.range_margin = 0.5}, {-3, 12})), ElementsAre(-2.F, 12.F));
}

TEST(ActionLimits, ClampTheStepToTheLargestDataStepTimesAFactor) {
  const LimitedAction limited = apply({}, {0.9, 5}, std::vector<float>{0, 4});
  EXPECT_THAT(numbers(limited), ElementsAre(0.15F, 5.F));
  EXPECT_THAT(limited.by_range, IsEmpty());
  EXPECT_THAT(limited.by_step, ElementsAre(0));
  EXPECT_THAT(numbers(apply({.step_factor = 3}, {0.9, 5}, std::vector<float>{0, 4})),
              ElementsAre(0.3F, 5.F));
}

TEST(ActionLimits, DoNotLimitTheStepToTheFirstCommand) {
  const LimitedAction limited = apply({}, {0.9, 9});
  EXPECT_THAT(numbers(limited), ElementsAre(0.9F, 9.F));
  EXPECT_THAT(limited.by_step, IsEmpty());
}

TEST(ActionLimits, ReturnToTheRangeStepByStep) {
  const LimitedAction limited = apply({}, {0, 20}, std::vector<float>{0, 20});
  EXPECT_THAT(numbers(limited), ElementsAre(0.F, 17.F));
  EXPECT_THAT(limited.by_range, ElementsAre(1));
  EXPECT_THAT(limited.by_step, ElementsAre(1));
}

TEST(ActionLimits, CanBeTurnedOffSeparately) {
  const std::vector<float> last = {0, 4};
  EXPECT_THAT(numbers(apply({.range = false}, {-0.1F, 12}, std::vector<float>{0, 11})),
              ElementsAre(-0.1F, 12.F));
  EXPECT_THAT(numbers(apply({.step = false}, {0.9, 12}, last)), ElementsAre(0.9F, 10.5F));
  EXPECT_THAT(numbers(apply({.range = false, .step = false}, {-9, 99}, last)),
              ElementsAre(-9.F, 99.F));
}

TEST(ActionLimits, CanReplaceThoseOfTheData) {
  constexpr double kUnlimited = std::numeric_limits<double>::infinity();
  const LimitOptions options{
      .min = {-2, -kUnlimited}, .max = {2, 3}, .largest_step = {kUnlimited, 1}};
  EXPECT_EQ(error_of(options, std::nullopt), "accepted");
  EXPECT_THAT(numbers(apply(options, {-5, -50})), ElementsAre(-2.F, -50.F));
  EXPECT_THAT(numbers(apply(options, {1.5, 3}, std::vector<float>{0, 0})), ElementsAre(1.5F, 1.F));
  // Only one is given: the others come from the data.
  EXPECT_THAT(numbers(apply({.min = {-2, -2}}, {-5, 12})), ElementsAre(-2.F, 10.5F));
}

TEST(ActionLimits, WithoutADataRangeReportTheAlternatives) {
  const std::string text = error_of({}, std::nullopt);
  EXPECT_THAT(text, HasSubstr("runs/old: the checkpoint does not record the range of its training "
                              "actions"));
  EXPECT_THAT(text, HasSubstr("train it again, set limits.min, limits.max and"));
  EXPECT_THAT(text, HasSubstr("or turn off limits.range and limits.step"));
  EXPECT_EQ(error_of({.range = false, .step = false}, std::nullopt), "accepted");
  EXPECT_THAT(error_of({.range = false}, std::nullopt), HasSubstr("train it again"));
  EXPECT_THAT(error_of({.step = false, .min = {0, 0}}, std::nullopt), HasSubstr("train it again"));
}

TEST(ActionLimits, RefuseInvalidValues) {
  EXPECT_THAT(
      error_of({.max = {1}}, kData),
      HasSubstr("limits.max does not match the policy's actions: expected 2 values; found 1"));
  EXPECT_THAT(error_of({.min = {5, 0}}, kData),
              HasSubstr("joint 0 has a minimum above its maximum: found 5 and 1.1"));
  EXPECT_THAT(error_of({.min = {0, std::nan("")}}, kData), HasSubstr("a limit is NaN"));
  EXPECT_THAT(error_of({.largest_step = {-1, 0}}, kData), HasSubstr("limits.largest_step is neg"));
  EXPECT_THAT(error_of({.range_margin = -1}, kData), HasSubstr("limits.range_margin is negative"));
  EXPECT_THAT(error_of({.step_factor = 0}, kData), HasSubstr("limits.step_factor is not positive"));
  EXPECT_THAT(error_of({}, ActionRange{.min = {0}, .max = {0}, .largest_step = {0}}),
              HasSubstr("limits.min from the data does not match"));
}

TEST(ActionLimits, RefuseAFactorWhoseProductWithZeroIsNotANumber) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_THAT(error_of({.range_margin = kInfinity}, kData),
              HasSubstr("limits.range_margin is not finite"));
  EXPECT_THAT(error_of({.step_factor = kInfinity}, kData),
              HasSubstr("limits.step_factor is not finite"));
}

TEST(ActionLimits, CheckOnlyTheDataThatTheyUse) {
  const ActionRange empty;
  EXPECT_THAT(error_of({}, empty), HasSubstr("expected 2 values; found 0"));
  EXPECT_THAT(error_of({.range = false}, empty),
              HasSubstr("limits.largest_step from the data does not match"));
  EXPECT_EQ(error_of({.min = {0, 0}, .max = {1, 1}, .largest_step = {1, 1}}, empty), "accepted");
  EXPECT_EQ(error_of({.range = false, .step = false}, empty), "accepted");
  EXPECT_THAT(error_of({}, ActionRange{.min = {0, 0}, .max = {1, 1}, .largest_step = {1, -1}}),
              HasSubstr("a largest step from the data is negative"));
}

}  // namespace
}  // namespace roboimi
