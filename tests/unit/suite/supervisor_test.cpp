// The supervisor with a program that stands for `roboimi run`.
#include "roboimi/suite/supervisor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <functional>
#include <thread>

#include "roboimi/suite/process_lock.h"
#include "tests/unit/suite/suite_folder.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class SupervisorTest : public ::testing::Test {
 protected:
  // A queue of jobs a, b, ... for `script`, whose $NAME is the job and $KIND smoke or config.
  void queue(const std::string& script, int jobs, int slots, bool smoke = false) {
    const std::string own =
        "case \"$2\" in *smoke.yaml) KIND=smoke;; *) KIND=config;; esac\n"
        "NAME=$(basename \"$(dirname \"${2#*=}\")\")\n";
    queue_ = {.target = "here",
              .suite_folder = "",
              .directory = (folder_ / "").string(),
              .program = folder_.program(own + script),
              .options = {},
              .smoke = smoke,
              .slots = {},
              .jobs = {}};
    for (int i = 0; i < slots; ++i) queue_.slots.push_back({"slot " + std::to_string(i), {}});
    for (int i = 0; i < jobs; ++i) {
      const std::string name(1, static_cast<char>('a' + i));
      queue_.jobs.push_back({.name = name, .gpu = {}, .max_steps = 5});
      std::filesystem::create_directories(work_.job(name));
      request("start-" + name);
    }
    work_.write_queue(queue_);
  }
  void request(const std::string& name) { write_text_atomically(work_.requests() / name, ""); }

  RunStatus row(const std::string& name) const {
    auto rows = work_.read_state();
    const RunStatus* found = find_run(rows, name);
    return found == nullptr ? RunStatus() : *found;
  }
  bool wait_for(const std::function<bool()>& condition) const {
    for (int i = 0; i < 1000 && !condition(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return condition();
  }
  std::string trace() const { return read_text(folder_ / "trace"); }

  SuiteFolder folder_;
  WorkFolder work_{folder_ / "work"};
  WorkQueue queue_;
};

TEST_F(SupervisorTest, RunsEachJobOnceAndNoMoreThanItsSlotsAtATime) {
  queue("mkdir busy || echo two >> trace; echo $NAME >> trace; sleep 0.1; rmdir busy", 3, 1);
  supervise(work_);
  EXPECT_EQ(trace(), "a\nb\nc\n");
  for (const char* name : {"a", "b", "c"}) {
    EXPECT_EQ(row(name).state, RunState::kFinished);
    EXPECT_EQ(row(name).attempts, 1);
    EXPECT_EQ(row(name).slot, "slot 0");
  }
  // Asking again starts nothing that is finished.
  request("start-a");
  supervise(work_);
  EXPECT_EQ(trace(), "a\nb\nc\n");
}

TEST_F(SupervisorTest, ATrialOnEachSlotComesBeforeAnythingLong) {
  queue("echo $KIND >> trace; test $KIND = config || sleep 0.3", 3, 2, /*smoke=*/true);
  supervise(work_);
  EXPECT_EQ(trace(), "smoke\nsmoke\nconfig\nconfig\nconfig\n");
  EXPECT_EQ(row("c").state, RunState::kFinished);
}

TEST_F(SupervisorTest, AFailedTrialStartsNothingLong) {
  queue("echo $KIND >> trace; test $NAME = b && { echo 'no such checkpoint'; exit 1; }; sleep 0.3",
        3, 2, /*smoke=*/true);
  supervise(work_);
  EXPECT_EQ(trace(), "smoke\nsmoke\n");
  EXPECT_EQ(row("b").text, "its trial failed: exit status 1: no such checkpoint");
  for (const char* name : {"a", "c"}) {
    EXPECT_EQ(row(name).state, RunState::kFailed);
    EXPECT_EQ(row(name).text, "not started: the trial of b failed");
    EXPECT_EQ(row(name).attempts, 0);
  }
}

TEST_F(SupervisorTest, AFailureIsToldWithItsLastWordsAndTheOthersGoOn) {
  queue("test $NAME = a && { echo 'roboimi run: the disk is full'; exit 1; }; exit 0", 2, 1);
  supervise(work_);
  EXPECT_EQ(row("a").state, RunState::kFailed);
  EXPECT_EQ(row("a").text, "exit status 1: roboimi run: the disk is full");
  EXPECT_EQ(row("b").state, RunState::kFinished);
}

TEST_F(SupervisorTest, StoppingSendsOneInterruptAndTakesBackWhatIsQueued) {
  queue(
      "trap 'echo int >> trace; sleep 0.5; exit 130' INT; echo up >> trace\n"
      "while :; do sleep 0.05; done",
      2, 1);
  std::thread supervisor([&] { supervise(work_); });
  ASSERT_TRUE(wait_for([&] { return std::filesystem::exists(folder_ / "trace"); }));
  request("stop-a");
  ASSERT_TRUE(wait_for([&] { return trace() == "up\nint\n"; }));
  request("stop-a");
  request("stop-b");
  supervisor.join();
  EXPECT_EQ(trace(), "up\nint\n");
  EXPECT_EQ(row("a").state, RunState::kStopped);
  EXPECT_THAT(row("a").text, StartsWith("stopped"));
  EXPECT_EQ(row("b").state, RunState::kStopped);
  EXPECT_EQ(row("b").attempts, 0);
}

TEST_F(SupervisorTest, ARunOfADeadSupervisorIsTakenOverAndNotStartedTwice) {
  queue("", 1, 1);
  RunStatus left{.name = "a", .target = "here", .state = RunState::kRunning, .slot = "slot 0"};
  left.process = start_process({.words = {"/bin/sleep", "1"}});
  left.attempts = 1;
  work_.write_state({left});
  EXPECT_EQ(observe_work(work_)[0].text, "runs without its supervisor");
  std::thread reaper([&] { ::waitpid(static_cast<pid_t>(left.process.pid), nullptr, 0); });
  supervise(work_);  // its request to start is there, too
  reaper.join();
  EXPECT_EQ(row("a").attempts, 1);
  EXPECT_EQ(row("a").state, RunState::kLost);
  EXPECT_THAT(row("a").text, HasSubstr("its process ended unseen"));
}

TEST_F(SupervisorTest, AfterARebootWhatRanIsLostAndAStrangerWithItsNumberIsLeftAlone) {
  queue("", 2, 1);
  RunStatus ran{.name = "a", .target = "here", .state = RunState::kRunning, .slot = "slot 0"};
  ran.process = identify_process(::getpid());
  ran.process.boot_id = "another boot";
  const RunStatus waited{.name = "b", .target = "here", .state = RunState::kQueued};
  work_.write_state({ran, waited});
  const auto rows = observe_work(work_);
  EXPECT_EQ(rows[0].state, RunState::kLost);
  EXPECT_EQ(rows[0].text, "the machine was started again since");
  EXPECT_EQ(rows[1].state, RunState::kLost);
  EXPECT_EQ(rows[1].text, "its supervisor ended before starting it");
}

TEST_F(SupervisorTest, ASecondSupervisorOfTheFolderLeaves) {
  queue("echo $NAME >> trace", 1, 1);
  const ProcessLock lock = ProcessLock::take(work_.lock_file());
  supervise(work_);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "trace"));
}

}  // namespace
}  // namespace roboimi
