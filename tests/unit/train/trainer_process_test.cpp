// Tests of training runs that are killed or interrupted, in separate processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

#include "roboimi/checkpoint/checkpoint.h"
#include "roboimi/common/files.h"
#include "roboimi/io/safetensors.h"
#include "tests/wait_for.h"

extern char** environ;

namespace roboimi {
namespace {

namespace fs = std::filesystem;

class TrainerProcess : public ::testing::Test {
 protected:
  TrainerProcess() { fs::remove_all(folder_); }
  ~TrainerProcess() override { fs::remove_all(folder_); }

  static pid_t start(const fs::path& run, int max_steps, int delay_ms,
                     const std::vector<std::string>& more = {}) {
    fs::create_directories(run);
    std::vector<std::string> words = {TRAINER_CHILD, run.string(), std::to_string(max_steps),
                                      std::to_string(delay_ms)};
    words.insert(words.end(), more.begin(), more.end());
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

  static void await(const std::function<bool()>& ready) {
    ASSERT_TRUE(wait_for(ready, std::chrono::seconds(60), std::chrono::milliseconds(5)));
  }

  static void wait_for_checkpoint(const fs::path& run, const std::string& name) {
    await([&] { return fs::exists(run / "checkpoints" / name); });
  }

  static std::size_t num_lines_of(const fs::path& run) {
    const fs::path file = run / "metrics.jsonl";
    if (!fs::exists(file)) return 0;
    const std::string text = read_text(file);
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }

  static void expect_same_end(const fs::path& a, const fs::path& b) {
    for (const char* file : {"model.safetensors", "ema.safetensors", "optimizer.safetensors"}) {
      const fs::path name = fs::path("checkpoints") / "step_00000060" / file;
      EXPECT_TRUE(read_text(a / name) == read_text(b / name)) << file << " differs";
    }
    EXPECT_EQ(losses(a), losses(b));
  }

  // The lines of metrics.jsonl without timings.
  static std::vector<nlohmann::json> lines(const fs::path& run) {
    std::vector<nlohmann::json> lines;
    std::istringstream file(read_text(run / "metrics.jsonl"));
    for (std::string text; std::getline(file, text);) {
      nlohmann::json& line = lines.emplace_back(nlohmann::json::parse(text));
      for (const char* timing : {"time", "train/data_ms", "train/steps_per_second"}) {
        line.erase(timing);
      }
    }
    return lines;
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

TEST_F(TrainerProcess, ResumesBitExactlyAfterAKillBetweenCheckpoints) {
  ASSERT_EQ(status_of(start(folder_ / "whole", 60, 0)), 0);
  const pid_t pid = start(folder_ / "killed", 60, 20);
  wait_for_checkpoint(folder_ / "killed", "step_00000030");
  std::this_thread::sleep_for(std::chrono::milliseconds(70));  // a few more steps
  ::kill(pid, SIGKILL);
  ASSERT_EQ(status_of(pid), -SIGKILL);
  ASSERT_FALSE(fs::exists(folder_ / "killed" / "checkpoints" / "step_00000060"));
  ASSERT_EQ(status_of(start(folder_ / "killed", 60, 0)), 0);
  ASSERT_EQ(losses(folder_ / "whole").size(), 12U);
  expect_same_end(folder_ / "whole", folder_ / "killed");
}

TEST_F(TrainerProcess, FinishesItsStepSavesAndExits130WhenInterrupted) {
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

TEST_F(TrainerProcess, WritesEveryLineOnceIfKilledAtAnyTime) {
  const std::vector<std::string> log_every = {"7"};
  ASSERT_EQ(status_of(start(folder_ / "whole", 60, 0, log_every)), 0);
  const auto expected = lines(folder_ / "whole");
  ASSERT_EQ(expected.size(), 9U + 6U);  // 7, 14, ..., 56, 60; rollouts at 10, 20, ..., 60
  // The second line belongs to rollouts, so it comes after the first checkpoint.
  for (const std::size_t num_lines : {2, 5, 8, 11, 13}) {
    const pid_t pid = start(folder_ / "killed", 60, 20, log_every);
    await([&] { return num_lines_of(folder_ / "killed") >= num_lines; });
    std::this_thread::sleep_for(std::chrono::milliseconds(3 * num_lines));
    ::kill(pid, SIGKILL);
    ASSERT_EQ(status_of(pid), -SIGKILL);
  }
  ASSERT_EQ(status_of(start(folder_ / "killed", 60, 0, log_every)), 0);
  EXPECT_EQ(lines(folder_ / "killed"), expected);
}

TEST_F(TrainerProcess, WritesARolloutsLineOnceIfKilledBeforeItsRecord) {
  const std::vector<std::string> log_every = {"7"};
  ASSERT_EQ(status_of(start(folder_ / "whole", 20, 0, log_every)), 0);
  const fs::path metrics = folder_ / "killed" / "metrics.jsonl";
  const pid_t pid = start(folder_ / "killed", 20, 300, log_every);
  await([&] {
    return fs::exists(metrics) && read_text(metrics).find("rollout/") != std::string::npos;
  });
  ::kill(pid, SIGKILL);
  ASSERT_EQ(status_of(pid), -SIGKILL);
  ASSERT_TRUE(read_checkpoint_state(find_checkpoint(folder_ / "killed")).rollouts.empty());
  ASSERT_EQ(status_of(start(folder_ / "killed", 20, 0, log_every)), 0);
  EXPECT_EQ(lines(folder_ / "killed"), lines(folder_ / "whole"));
}

TEST_F(TrainerProcess, SavesAndExits130OnEveryStopSignal) {
  for (const int signal : {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2}) {
    const fs::path run = folder_ / std::to_string(signal);
    const pid_t pid = start(run, 100000, 20);
    wait_for_checkpoint(run, "step_00000010");
    ::kill(pid, signal);
    // A closing terminal and timeout(1) send their signal twice.
    ::kill(pid, signal);
    EXPECT_EQ(status_of(pid), 130) << ::strsignal(signal);
    EXPECT_EQ(read_checkpoint(find_checkpoint(run)).state.seed, 7U);
  }
}

TEST_F(TrainerProcess, ContinuesAfterAHangUpThatWasIgnoredBefore) {
  ::signal(SIGHUP, SIG_IGN);  // nohup
  const pid_t pid = start(folder_ / "nohup", 40, 20);
  ::signal(SIGHUP, SIG_DFL);
  wait_for_checkpoint(folder_ / "nohup", "step_00000010");
  ::kill(pid, SIGHUP);
  EXPECT_EQ(status_of(pid), 0);
}

// tests/golden/old_run was written by trainer_child before checkpoints contained hashes of their
// files and sums of unlogged steps: up to step 30, and up to step 60 in its folder `end`.
TEST_F(TrainerProcess, ContinuesFromACheckpointOfAnOlderVersion) {
  const fs::path golden = fs::path(ROBOIMI_SOURCE_DIR) / "tests/golden/old_run";
  const fs::path run = folder_ / "old";
  fs::create_directories(folder_);
  fs::copy(golden, run, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  const CheckpointState state = read_checkpoint_state(find_checkpoint(run));
  EXPECT_EQ(state.step, 30);
  EXPECT_TRUE(state.sha256.empty());
  ASSERT_EQ(status_of(start(run, 60, 0)), 0);
  const fs::path end = run / "checkpoints" / "step_00000060";
  NumericConditions conditions = read_checkpoint_state(end).conditions;
  const bool is_same_machine = conditions.difference(state.conditions).empty();
  for (const char* file : {"model.safetensors", "ema.safetensors", "optimizer.safetensors"}) {
    const auto expected = read_safetensors(golden / "end" / file).tensors;
    const auto found = read_safetensors(end / file).tensors;
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [name, tensor] : expected) {
      EXPECT_TRUE(is_same_machine ? at::equal(found.at(name), tensor)
                                  : at::allclose(found.at(name), tensor, 1e-3, 1e-4))
          << file << ": " << name;
    }
  }
  const auto expected = losses(golden / "end"), found = losses(run);
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(found[i].first, expected[i].first);
    EXPECT_NEAR(found[i].second, expected[i].second, is_same_machine ? 0.0 : 1e-3);
  }
}

}  // namespace
}  // namespace roboimi
