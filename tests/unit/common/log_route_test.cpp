#include "roboimi/common/log_route.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "roboimi/common/log.h"

namespace roboimi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(Log, GoesToStderrAndNeverToStdout) {
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  logger().info("{} episodes", 3);
  logger().debug("a detail");
  logger().flush();
  const std::string errors = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(errors, HasSubstr("3 episodes"));
  EXPECT_THAT(errors, Not(HasSubstr("a detail")));
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
}

TEST(Log, GoesToTheProgramsHandlerIfThereIsOne) {
  std::vector<LogLevel> levels;
  std::string text;
  set_log_handler([&](LogLevel level, std::string_view message) {
    levels.push_back(level);
    text += std::string(message) + ";";
  });
  ::testing::internal::CaptureStderr();
  logger().info("one");
  logger().warn("two");
  logger().error("three");
  set_log_level(LogLevel::kError);
  logger().warn("four");
  set_log_level(LogLevel::kNone);
  logger().error("five");
  set_log_level(LogLevel::kDebug);
  logger().debug("six");
  set_log_level(LogLevel::kInfo);
  set_log_handler({});
  EXPECT_THAT(levels,
              ElementsAre(LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError, LogLevel::kDebug));
  EXPECT_EQ(text, "one;two;three;six;");
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), IsEmpty());
}

TEST(Log, IsNotTheProgramsOwnLogger) { EXPECT_NE(&logger(), spdlog::default_logger().get()); }

}  // namespace
}  // namespace roboimi
