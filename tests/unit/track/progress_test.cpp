#include "roboimi/track/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace roboimi {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A clock that the test sets.
struct TestClock {
  std::chrono::steady_clock::time_point now = std::chrono::steady_clock::now();
};

// Returns the output of `use`, written to a stream in memory.
std::string output_of(Progress::Style style, std::int64_t total,
                      const std::function<void(Progress&, TestClock&)>& use) {
  char* buffer = nullptr;
  std::size_t size = 0;
  std::FILE* stream = ::open_memstream(&buffer, &size);
  {
    TestClock clock;
    Progress progress("train", total, 0, style, stream, [&clock] { return clock.now; });
    use(progress, clock);
  }
  std::fclose(stream);
  const std::string text(buffer, size);
  std::free(buffer);
  return text;
}

TEST(Progress, ShowsSpeedAndTimeLeft) {
  const Progress progress("train", 200, 50, Progress::Style::kBar);
  EXPECT_EQ(progress.line(100, "loss 0.5", 10.0),
            "train  [#############.............]  100/200   50%  5.0 /s  0:00:20 left  loss 0.5");
}

TEST(Progress, ShowsSlowRatesAsSecondsEach) {
  const Progress progress("rollouts", 10, 0, Progress::Style::kLines);
  EXPECT_EQ(progress.line(3, "", 171.0), "rollouts  3/10   30%  57 s each  0:06:39 left");
  EXPECT_EQ(progress.line(10, "", 38.0), "rollouts  10/10  100%  3.8 s each");
  EXPECT_EQ(progress.line(5, "", 5.0), "rollouts  5/10   50%  1.0 /s  0:00:05 left");
  EXPECT_EQ(progress.line(0, "", 5.0), "rollouts  0/10    0%") << "no rate is known yet";
}

TEST(Progress, WritesPlainLinesIfTheOutputIsNoTerminal) {
  const std::string text =
      output_of(Progress::Style::kAutomatic, 200, [](Progress& progress, TestClock&) {
        for (int step = 1; step <= 200; ++step) progress.update(step, "");
      });
  EXPECT_THAT(text, StartsWith("train  1/200"));
  EXPECT_THAT(text, HasSubstr("\ntrain  200/200  100%"));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("\r")));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
}

TEST(Progress, PrintsFewerLinesTheLongerAJobRuns) {
  // One update per second for a day.
  constexpr std::int64_t kSecondsPerDay = 24 * 3600;
  const auto lines_after = [](std::chrono::seconds duration) {
    const std::string text = output_of(
        Progress::Style::kLines, kSecondsPerDay + 1, [&](Progress& progress, TestClock& clock) {
          const auto end = clock.now + duration;
          for (std::int64_t done = 0; clock.now < end; clock.now += 1s) progress.update(done++, "");
        });
    return std::count(text.begin(), text.end(), '\n');
  };
  EXPECT_EQ(lines_after(59s), 6) << "one every 10 s";
  EXPECT_EQ(lines_after(1h), 6 + 59) << "then one per minute";
  EXPECT_EQ(lines_after(24h), 6 + 59 + 23 * 6) << "then one every 10 minutes";
}

TEST(Progress, RedrawsItsBarInOneLine) {
  const std::string text =
      output_of(Progress::Style::kBar, 200, [](Progress& progress, TestClock& clock) {
        progress.update(1, "");
        clock.now += 50ms;
        progress.update(2, "too soon");
        progress.update(200, "done");
      });
  EXPECT_EQ(std::count(text.begin(), text.end(), '\r'), 2);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_THAT(text, ::testing::EndsWith("done\n"));
}

}  // namespace
}  // namespace roboimi
