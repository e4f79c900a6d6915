// Trainings that are killed or interrupted, in processes of their own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <nlohmann/json.hpp>
#include <thread>

#include "roboimi/common/files.h"
#include "roboimi/train/checkpoint.h"

extern char** environ;

namespace roboimi {
namespace {

namespace fs = std::filesystem;

class TrainerProcess : public ::testing::Test {
 protected:
  TrainerProcess() { fs::remove_all(folder_); }
  ~TrainerProcess() override { fs::remove_all(folder_); }

  static pid_t start(const fs::path& run, int max_steps, int delay_ms) {
    fs::create_directories(run);
    std::vector<std::string> words = {TRAINER_CHILD, run.string(), std::to_string(max_steps),
                                      std::to_string(delay_ms)};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_t pid = 0;
    EXPECT_EQ(::posix_spawn(&pid, TRAINER_CHILD, nullptr, nullptr, arguments.data(), environ), 0);
    return pid;
  }

  static int status_of(pid_t pid) {
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  static void wait_for_checkpoint(const fs::path& run, const std::string& name) {
    for (int i = 0; i < 6000 && !fs::exists(run / "checkpoints" / name); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ASSERT_TRUE(fs::exists(run / "checkpoints" / name));
  }

  static void expect_same_end(const fs::path& a, const fs::path& b) {
    for (const char* file : {"model.safetensors", "ema.safetensors", "optimizer.safetensors"}) {
      const fs::path name = fs::path("checkpoints") / "step_00000060" / file;
      EXPECT_TRUE(read_text(a / name) == read_text(b / name)) << file << " differs";
    }
    EXPECT_EQ(losses(a), losses(b));
  }

  static std::vector<std::pair<std::int64_t, double>> losses(const fs::path& run) {
    std::vector<std::pair<std::int64_t, double>> losses;
    std::istringstream lines(read_text(run / "metrics.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const auto parsed = nlohmann::json::parse(line);
      losses.emplace_back(parsed["step"], parsed["train/loss"]);
    }
    return losses;
  }

  fs::path folder_ = fs::path(::testing::TempDir()) / "roboimi_trainer_process_test";
};

TEST_F(TrainerProcess, KilledBetweenCheckpointsEndsWithTheSameBits) {
  ASSERT_EQ(status_of(start(folder_ / "whole", 60, 0)), 0);
  const pid_t pid = start(folder_ / "killed", 60, 20);
  wait_for_checkpoint(folder_ / "killed", "step_00000030");
  std::this_thread::sleep_for(std::chrono::milliseconds(70));  // into the steps after it
  ::kill(pid, SIGKILL);
  ASSERT_EQ(status_of(pid), -SIGKILL);
  ASSERT_FALSE(fs::exists(folder_ / "killed" / "checkpoints" / "step_00000060"));
  ASSERT_EQ(status_of(start(folder_ / "killed", 60, 0)), 0);
  ASSERT_EQ(losses(folder_ / "whole").size(), 12U);
  expect_same_end(folder_ / "whole", folder_ / "killed");
}

TEST_F(TrainerProcess, InterruptedFinishesItsStepSavesAndExits130) {
  ASSERT_EQ(status_of(start(folder_ / "whole", 60, 0)), 0);
  const pid_t pid = start(folder_ / "stopped", 60, 20);
  wait_for_checkpoint(folder_ / "stopped", "step_00000020");
  std::this_thread::sleep_for(std::chrono::milliseconds(70));
  ::kill(pid, SIGINT);
  ASSERT_EQ(status_of(pid), 130);
  const CheckpointState state = read_checkpoint_state(find_checkpoint(folder_ / "stopped"));
  EXPECT_GT(state.step, 20);
  EXPECT_LT(state.step, 60);
  ASSERT_EQ(status_of(start(folder_ / "stopped", 60, 0)), 0);
  for (const char* file : {"model.safetensors", "ema.safetensors", "optimizer.safetensors"}) {
    const fs::path name = fs::path("checkpoints") / "step_00000060" / file;
    EXPECT_TRUE(read_text(folder_ / "whole" / name) == read_text(folder_ / "stopped" / name))
        << file;
  }
}

}  // namespace
}  // namespace roboimi
