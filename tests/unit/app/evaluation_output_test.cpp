#include "app/evaluation_output.h"

#include <gmock/gmock.h>

#include <fstream>

#include "tests/error_text.h"

namespace roboimi::app {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class EvaluationOutput : public ::testing::Test {
 protected:
  EvaluationOutput() {
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "out");
  }
  ~EvaluationOutput() override { fs::remove_all(folder_); }

  fs::path out() const { return folder_ / "out"; }
  void write(const char* name) const { std::ofstream(out() / name) << "x"; }
  std::string failure() const {
    return error_text([&] { require_output_folder(out()); });
  }

  fs::path folder_ = fs::path(::testing::TempDir()) / "roboimi_evaluation_output_test";
};

TEST_F(EvaluationOutput, MayBeANewOrEmptyFolder) {
  EXPECT_NO_THROW(require_output_folder(out()));
  EXPECT_NO_THROW(require_output_folder(folder_ / "none"));
  EXPECT_FALSE(fs::exists(folder_ / "none"));
}

TEST_F(EvaluationOutput, MayNotHoldAFinishedEvaluationOrOtherFiles) {
  for (const char* name :
       {"summary.json", "notes.txt", "trajectory_x.png", "episode_001.mp4.bak"}) {
    write("trajectory_000.csv");
    write(name);
    EXPECT_THAT(failure(), HasSubstr("--output: the folder is in use")) << name;
    clear_unfinished_evaluation(out());
    EXPECT_TRUE(fs::exists(out() / "trajectory_000.csv"));
    fs::remove(out() / name);
  }
  // No evaluation leaves a symbolic link behind.
  std::ofstream(folder_ / "mine") << "x";
  fs::create_symlink(folder_ / "mine", out() / "episode_000.mp4");
  EXPECT_THAT(failure(), HasSubstr("the folder is in use"));
  clear_unfinished_evaluation(out());
  EXPECT_TRUE(fs::exists(folder_ / "mine"));
}

TEST_F(EvaluationOutput, MayHoldAnUnfinishedEvaluation) {
  for (const char* name :
       {"trajectory_000.csv", "trajectory_000.png", "episode_000.mp4", "trajectory_1000.csv",
        ".episode_001.mp4.recording77", "episodes.csv", ".trajectory_001.csv.tmp4711"}) {
    write(name);
  }
  EXPECT_NO_THROW(require_output_folder(out()));
  clear_unfinished_evaluation(out());
  EXPECT_TRUE(fs::is_empty(out()));
}

}  // namespace
}  // namespace roboimi::app
