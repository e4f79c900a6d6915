// Tests of parse_arguments(): options, their values and overrides.
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>

#include "app/common_options.h"
#include "tests/error_text.h"

namespace roboimi::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;
namespace po = boost::program_options;

class CommandWords : public ::testing::Test {
 protected:
  CommandWords() {
    if (const char* home = std::getenv("HOME")) home_ = home;
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "runs" / "x_lr=1e-4" / "checkpoints");
    fs::create_directories(folder_ / "train.max_steps=3");
    fs::current_path(folder_);
  }
  ~CommandWords() override {
    fs::current_path(former_);
    fs::remove_all(folder_);
    ::setenv("HOME", home_.c_str(), 1);
  }

  static ParsedArguments parse(const Arguments& words) {
    po::options_description options;
    options.add_options()("config,c", po::value<std::string>(), "")(
        "resume", po::value<std::string>()->implicit_value(""), "")("checkpoint",
                                                                    po::value<std::string>(), "")(
        "plugin-path", po::value<std::vector<std::string>>()->composing(), "")(
        "device", po::value<std::string>(), "");
    return parse_arguments(words, options);
  }
  // The value of --resume: its folder, "(newest)" or "(absent)".
  static std::string resume_of(const ParsedArguments& parsed) {
    if (parsed.values.count("resume") == 0) return "(absent)";
    const auto& folder = parsed.values["resume"].as<std::string>();
    return folder.empty() ? "(newest)" : folder;
  }

  std::string home_;
  fs::path former_ = fs::current_path();
  fs::path folder_ = fs::path(::testing::TempDir()) / "roboimi_command_words_test";
};

TEST_F(CommandWords, AnOverrideAfterResumeIsNotItsFolder) {
  for (const char* word : {"train.max_steps=3", "agent/backbone=resnet18", "+a.b=1", "++a=1",
                           "~a.b", "name=x", "data.path=/mnt/a"}) {
    const ParsedArguments parsed = parse({"--resume", word});
    EXPECT_EQ(resume_of(parsed), "(newest)") << word;
    EXPECT_THAT(parsed.words, ElementsAre(word));
  }
}

TEST_F(CommandWords, AFolderAfterResumeMayHaveAnEqualsSignInItsName) {
  const std::string absolute = (folder_ / "runs" / "x_lr=1e-4").string();
  for (const std::string& word :
       {std::string("runs/x_lr=1e-4"), absolute, std::string("./runs/x_lr=1e-4"),
        std::string("runs/missing_lr=3"), std::string("/nowhere/a=b"), std::string("../a=b"),
        std::string("runs/plain"), std::string("plain")}) {
    EXPECT_EQ(resume_of(parse({"--resume", word, "seed=1"})), word);
    EXPECT_EQ(resume_of(parse({"seed=1", "--resume=" + word})), word);
    EXPECT_THAT(parse({"--resume", word, "seed=1"}).words, ElementsAre("seed=1"));
  }
}

TEST_F(CommandWords, ResumeMayBeAnywhereAndWithoutAFolder) {
  EXPECT_EQ(resume_of(parse({"seed=1", "--resume"})), "(newest)");
  EXPECT_EQ(resume_of(parse({"--resume", "--config", "a.yaml"})), "(newest)");
  EXPECT_EQ(resume_of(parse({"--config", "a.yaml"})), "(absent)");
  EXPECT_THAT(parse({"--resume", "--config", "a.yaml"}).words, IsEmpty());
}

TEST_F(CommandWords, ExpandTheHomeFolderOnlyInPaths) {
  ::setenv("HOME", "/home/somebody", 1);
  const ParsedArguments parsed =
      parse({"--checkpoint=~/runs/a", "--plugin-path=~/p", "--plugin-path", "q", "--device=~",
             "--resume", "~/runs/b", "~name", "data.path=~/d"});
  EXPECT_EQ(parsed.values["checkpoint"].as<std::string>(), "/home/somebody/runs/a");
  EXPECT_THAT(paths_of(parsed.values, "plugin-path"), ElementsAre("/home/somebody/p", "q"));
  EXPECT_EQ(parsed.values["device"].as<std::string>(), "~");
  EXPECT_EQ(resume_of(parsed), "/home/somebody/runs/b");
  EXPECT_THAT(parsed.words, ElementsAre("~name", "data.path=~/d"));
}

TEST_F(CommandWords, ReportAnEmptyPathAndUnknownOptions) {
  EXPECT_EQ(error_text([] {
              parse({"--checkpoint", ""});
            }),
            "--checkpoint is empty: expected a path");
  EXPECT_EQ(error_text([] { parse({"--train.max_steps=10"}); }),
            "unknown option '--train.max_steps=10'; write train.max_steps=10, without dashes");
  EXPECT_EQ(error_text([] {
              parse({"--batch_size", "8"});
            }),
            "unknown option '--batch_size'; write train.batch_size=8, without dashes");
  EXPECT_THAT(error_text([] { parse({"--confg", "x"}); }), HasSubstr("did you mean '--config'?"));
}

TEST_F(CommandWords, ANewFolderDoesNotExistOrIsEmpty) {
  EXPECT_NO_THROW(require_new_folder(folder_ / "none", "--output"));
  EXPECT_NO_THROW(require_new_folder(folder_ / "train.max_steps=3", "--output"));
  EXPECT_EQ(error_text([&] { require_new_folder(folder_ / "runs", "--output"); }),
            (folder_ / "runs").string() +
                ": --output: the folder is in use: expected a new folder, or an empty one; choose "
                "another folder, or delete this one");
  std::ofstream(folder_ / "file") << "x";
  EXPECT_THAT(error_text([&] { require_new_folder(folder_ / "file", "--output"); }),
              HasSubstr("--output: not a folder"));
  EXPECT_FALSE(fs::exists(folder_ / "none"));
}

}  // namespace
}  // namespace roboimi::app
