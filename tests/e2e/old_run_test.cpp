// Tests with a run of an earlier version: its checkpoint loads, its policy acts as before, and its
// configuration still trains.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "tests/e2e/program.h"

namespace roboimi::e2e {
namespace {

using ::testing::HasSubstr;

const fs::path kGolden = fs::path(ROBOIMI_SOURCE_DIR) / "tests/golden/run_0_1";
// CPUs round differently, and the simulator amplifies the differences.
constexpr double kRounding = 1e-3;

// The values of the first `count` rows below the header.
std::vector<std::vector<double>> rows_of(const fs::path& csv, std::size_t count) {
  std::istringstream text(read_text(csv));
  std::string line;
  std::getline(text, line);
  std::vector<std::vector<double>> rows;
  while (rows.size() < count && std::getline(text, line)) {
    std::istringstream cells(line);
    rows.emplace_back();
    for (std::string cell; std::getline(cells, cell, ',');) rows.back().push_back(std::stod(cell));
  }
  return rows;
}

class OldRun : public ::testing::Test {
 protected:
  // A copy of the run, because evaluations write into it.
  static fs::path run() {
    const fs::path folder = *place_ / "run";
    if (!fs::exists(folder)) fs::copy(kGolden, folder, fs::copy_options::recursive);
    return folder;
  }
  static void SetUpTestSuite() { place_ = new Workplace("old_run"); }
  static void TearDownTestSuite() { delete place_; }
  static Result evaluate(const std::string& output, const std::vector<std::string>& more) {
    return place_->run(words({"eval", "--checkpoint", run().string(), "--episodes", "2", "--seed",
                              "1000", "--video", "0", "--output", output},
                             more));
  }
  static inline Workplace* place_ = nullptr;
};

TEST_F(OldRun, TakesOptionsThatItsConfigurationDoesNotHave) {
  const fs::path config = kGolden / "checkpoints/step_00000020/config.yaml";
  ASSERT_EQ(read_text(config).find("max_texts"), std::string::npos);
  const Result done = evaluate("newer_option", {"--workers", "1", "agent.max_texts=8"});
  EXPECT_EQ(done.status, 0) << done.errors;
  const Result unknown = evaluate("unknown", {"--workers", "1", "agent.max_text=8"});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_THAT(unknown.errors, HasSubstr("max_text"));
}

TEST_F(OldRun, ActsAsBefore) {
  const Result done = evaluate("evaluation", {"--workers", "1"});
  ASSERT_EQ(done.status, 0) << done.errors;
  EXPECT_EQ(read_text(*place_ / "evaluation/episodes.csv"), read_text(kGolden / "episodes.csv"));
  constexpr std::size_t kRows = 40;
  const auto expected = rows_of(kGolden / "trajectory_000.csv", kRows);
  const auto found = rows_of(*place_ / "evaluation/trajectory_000.csv", kRows);
  ASSERT_EQ(expected.size(), kRows);
  ASSERT_EQ(found.size(), kRows);
  for (std::size_t row = 0; row < kRows; ++row) {
    ASSERT_EQ(found[row].size(), expected[row].size());
    for (std::size_t i = 0; i < found[row].size(); ++i) {
      EXPECT_NEAR(found[row][i], expected[row][i], kRounding) << "row " << row << ", column " << i;
    }
  }
}

TEST_F(OldRun, ActsTheSameWithSeveralEpisodesInOneProcess) {
  ASSERT_EQ(evaluate("alone", {"--workers", "1"}).status, 0);
  const Result together = evaluate("together", {"--together", "2"});
  ASSERT_EQ(together.status, 0) << together.errors;
  EXPECT_EQ(read_text(*place_ / "together/episodes.csv"),
            read_text(*place_ / "alone/episodes.csv"));
  for (const char* file : {"trajectory_000.csv", "trajectory_001.csv"}) {
    const auto expected = rows_of(*place_ / "alone" / file, 40);
    const auto found = rows_of(*place_ / "together" / file, 40);
    ASSERT_EQ(found.size(), 40u);
    for (std::size_t row = 0; row < found.size(); ++row) {
      for (std::size_t i = 0; i < found[row].size(); ++i) {
        EXPECT_NEAR(found[row][i], expected[row][i], kRounding) << file << ", row " << row;
      }
    }
  }
  // On several threads, and with what the summary says about them.
  const Result threads = evaluate("threads", {"--together", "2", "--workers", "2"});
  ASSERT_EQ(threads.status, 0) << threads.errors;
  for (const char* file : {"episodes.csv", "trajectory_000.csv", "trajectory_001.csv"}) {
    EXPECT_EQ(read_text(*place_ / "threads" / file), read_text(*place_ / "together" / file));
  }
  EXPECT_THAT(read_text(*place_ / "threads/summary.json"), HasSubstr("\"renderer\": \""));
}

TEST_F(OldRun, TrainsWithItsConfiguration) {
  const Result collected =
      place_->run({"collect", "--config", "collect_sim_transfer.yaml", "size=small",
                   "collect.num_episodes=1", "collect.output=data", "collect.workers=1"});
  ASSERT_EQ(collected.status, 0) << collected.errors;
  const fs::path config = run() / "checkpoints/step_00000020/config.yaml";
  const Result trained = place_->run({"run", "--config", config.string(), "data.path=data",
                                      "output_dir=runs", "train.max_steps=2", "train.threads=1"});
  EXPECT_EQ(trained.status, 0) << trained.errors;
  EXPECT_THAT(trained.errors, HasSubstr("finished after 2 steps"));
}

}  // namespace
}  // namespace roboimi::e2e
