#include "roboimi/track/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace roboimi {
namespace {

// What was written to a stream in memory.
std::string output_of(Progress::Style style, const std::function<void(Progress&)>& use) {
  char* buffer = nullptr;
  std::size_t size = 0;
  std::FILE* stream = ::open_memstream(&buffer, &size);
  {
    Progress progress("train", 200, 0, style, stream);
    use(progress);
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

TEST(Progress, WritesPlainLinesWhereThereIsNoTerminal) {
  const std::string text = output_of(Progress::Style::kAutomatic, [](Progress& progress) {
    for (int step = 1; step <= 200; ++step) progress.update(step, "");
  });
  EXPECT_THAT(text, ::testing::StartsWith("train  1/200"));
  EXPECT_THAT(text, ::testing::HasSubstr("\ntrain  200/200  100%"));
  EXPECT_THAT(text, ::testing::Not(::testing::HasSubstr("\r")));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
}

TEST(Progress, RedrawsItsBarInOneLine) {
  const std::string text = output_of(Progress::Style::kBar, [](Progress& progress) {
    progress.update(1, "");
    progress.update(200, "done");
  });
  EXPECT_EQ(std::count(text.begin(), text.end(), '\r'), 2);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_THAT(text, ::testing::EndsWith("done\n"));
}

}  // namespace
}  // namespace roboimi
