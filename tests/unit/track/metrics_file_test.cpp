#include "roboimi/track/metrics_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "tests/deny_system_call.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

class MetricsFileTest : public ::testing::Test {
 protected:
  MetricsFileTest() {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~MetricsFileTest() override { fs::remove_all(folder_); }

  std::vector<nlohmann::json> lines() const {
    std::ifstream file(path_);
    std::vector<nlohmann::json> parsed;
    for (std::string line; std::getline(file, line);) parsed.push_back(nlohmann::json::parse(line));
    return parsed;
  }

  fs::path folder_ = fs::path(::testing::TempDir()) / "roboimi_metrics_file_test";
  fs::path path_ = folder_ / "metrics.jsonl";
};

TEST_F(MetricsFileTest, WritesOneObjectPerLine) {
  MetricsFile file(path_);
  file.scalars(50, {{"train/loss", 0.25}, {"train/learning_rate", 1e-4}});
  file.scalars(100, {{"train/loss", std::numeric_limits<double>::quiet_NaN()}});
  const auto written = lines();
  ASSERT_EQ(written.size(), 2U);
  EXPECT_EQ(written[0]["step"], 50);
  EXPECT_EQ(written[0]["train/loss"], 0.25);
  EXPECT_EQ(written[0]["train/learning_rate"], 1e-4);
  EXPECT_GT(written[0]["time"], 1.7e9);
  EXPECT_TRUE(written[1]["train/loss"].is_null());
}

TEST_F(MetricsFileTest, AFileSizeLimitIsNamedAndKeepsWholeLines) {
  MetricsFile file(path_);
  file.scalars(50, {{"x", 1.0}});
  rlimit former{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &former), 0);
  const rlimit small{.rlim_cur = fs::file_size(path_) + 5, .rlim_max = former.rlim_max};
  ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  std::string text;
  try {
    file.scalars(100, {{"x", 2.0}});
  } catch (const Error& error) {
    text = error.what();
  }
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &former), 0);
  EXPECT_THAT(text, ::testing::HasSubstr("size limit of this process (ulimit -f)"));
  EXPECT_EQ(lines().size(), 1U);
}

TEST_F(MetricsFileTest, ReportsThatTheDiskDidNotKeepIt) {
  EXPECT_EXIT(
      {
        MetricsFile file(path_);
        file.scalars(50, {{"x", 1.0}});
        testing::deny_system_call(SYS_fsync, EIO);
        std::string text = "no error";
        try {
          file.flush();
        } catch (const Error& error) {
          text = error.what();
        }
        std::_Exit(text == path_.string() + ": cannot sync: Input/output error" ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST_F(MetricsFileTest, IsCutBackToTheCheckpointAndLosesAnIncompleteLine) {
  {
    MetricsFile file(path_);
    for (const std::int64_t step : {50, 100, 150}) file.scalars(step, {{"x", 1.0}});
  }
  std::ofstream(path_, std::ios::app) << R"({"step": 100, "torn)";
  cut_metrics_back(path_, 100, /*rolled_out=*/true);
  ASSERT_EQ(lines().size(), 2U);
  EXPECT_EQ(lines()[1]["step"], 100);
  MetricsFile continued(path_);
  continued.scalars(150, {{"x", 2.0}});
  ASSERT_EQ(lines().size(), 3U);
  EXPECT_EQ(lines()[2]["x"], 2.0);
}

TEST_F(MetricsFileTest, LosesRolloutsThatAreNotInTheCheckpoint) {
  const auto write_and_cut = [&](bool rolled_out) {
    fs::remove(path_);
    MetricsFile file(path_);
    for (const std::int64_t step : {50, 100}) {
      file.scalars(step, {{"train/loss", 1.0}});
      file.scalars(step, {{"validation/loss", 1.0}});
      file.scalars(step, {{"rollout/success_rate", 1.0}});
    }
    cut_metrics_back(path_, 100, rolled_out);
    return lines().size();
  };
  EXPECT_EQ(write_and_cut(/*rolled_out=*/true), 6U);
  EXPECT_EQ(write_and_cut(/*rolled_out=*/false), 5U);
  EXPECT_TRUE(lines()[2].contains("rollout/success_rate"));
  EXPECT_TRUE(lines()[4].contains("validation/loss"));
}

TEST_F(MetricsFileTest, IsNotWrittenThroughALink) {
  std::ofstream(folder_ / "elsewhere") << "kept";
  fs::create_symlink("elsewhere", path_);
  try {
    MetricsFile file(path_);
    FAIL() << "opened";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                ::testing::HasSubstr("metrics.jsonl: cannot open: the path is a symbolic link: "
                                     "expected a file, so that nothing outside this folder"));
  }
}

TEST_F(MetricsFileTest, IsNotCreatedByCuttingBack) {
  cut_metrics_back(path_, 100, /*rolled_out=*/true);
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(MetricsFileTest, ReportsThePathThatCannotBeOpened) {
  try {
    MetricsFile file(folder_ / "no" / "metrics.jsonl");
    FAIL() << "opened";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("no/metrics.jsonl: cannot open: No such file"));
  }
}

}  // namespace
}  // namespace roboimi
