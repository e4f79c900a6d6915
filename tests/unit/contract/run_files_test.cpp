#include "roboimi/contract/run_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/hash.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Keeper : public torch::nn::Module, public KeepsFiles {
 public:
  explicit Keeper(std::vector<fs::path> files) : files_(std::move(files)) {}
  std::vector<fs::path> run_files() const override { return files_; }

 private:
  std::vector<fs::path> files_;
};

class RunFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("roboimi_run_files_" + std::to_string(::getpid()));
    fs::create_directories(folder_ / "run");
    std::ofstream(original()) << "a program";
    agent_.register_module("part", std::make_shared<Keeper>(std::vector<fs::path>{original()}));
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path original() const { return folder_ / "encoder.pt"; }
  fs::path run() const { return folder_ / "run"; }
  fs::path found_in(const fs::path& run) const {
    const RunFiles files(run);
    return RunFiles::find(original());
  }

  fs::path folder_;
  torch::nn::Module agent_{"agent"};
};

TEST_F(RunFilesTest, ACopyReplacesAFileThatIsGoneOrChanged) {
  keep_run_files(run(), agent_);
  std::ofstream(original()) << "another program";
  EXPECT_EQ(read_text(found_in(run())), "a program");
  fs::remove(original());
  fs::rename(run(), folder_ / "moved");
  EXPECT_EQ(read_text(found_in(folder_ / "moved")), "a program");
  EXPECT_EQ(RunFiles::find(original()), original()) << "outside of any run";
}

TEST_F(RunFilesTest, AFileIsCopiedOnlyOnceAndNewFilesAreAdded) {
  keep_run_files(run(), agent_);
  std::ofstream(original()) << "another program";
  keep_run_files(run(), agent_);
  EXPECT_EQ(read_text(found_in(run())), "a program");
  std::ofstream(folder_ / "second.pt") << "more";
  agent_.register_module("other",
                         std::make_shared<Keeper>(std::vector<fs::path>{folder_ / "second.pt"}));
  keep_run_files(run(), agent_);
  const RunFiles files(run());
  EXPECT_EQ(RunFiles::find(folder_ / "second.pt").parent_path().parent_path(), run() / "files");
  EXPECT_EQ(RunFiles::find(folder_ / "third.pt"), folder_ / "third.pt");
}

TEST_F(RunFilesTest, ARunWithoutCopiesUsesTheOriginal) {
  keep_run_files(run(), torch::nn::Module("empty"));
  EXPECT_FALSE(fs::exists(run() / "files"));
  EXPECT_EQ(found_in(run()), original());
}

TEST_F(RunFilesTest, ADamagedCopyOrListIsAnError) {
  keep_run_files(run(), agent_);
  const auto error = [&]() -> std::string {
    try {
      found_in(run());
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  std::ofstream(found_in(run())) << "b program";
  EXPECT_THAT(error(), HasSubstr("the run's copy of a file is damaged"));
  EXPECT_THAT(error(), HasSubstr("copy it again from " + original().string()));
  std::ofstream(run() / "files/files.json") << R"([{"given": "x"}])";
  EXPECT_THAT(error(), HasSubstr("the list of the run's copied files is damaged"));
  // A list with a path that leads outside the run's folder.
  std::ofstream(run() / "files/files.json")
      << R"([{"given": "x", "absolute": "/x", "sha256": "../../../../../../../../../../../etc"}])";
  EXPECT_THAT(error(), HasSubstr("the list of the run's copied files is damaged"));
}

}  // namespace
}  // namespace roboimi
