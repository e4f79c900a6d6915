// The supervisor with a script in place of `roboimi run`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <optional>
#include <thread>

#include "roboimi/common/process_lock.h"
#include "suite/run_outcome.h"
#include "tests/error_text.h"
#include "tests/unit/suite/supervisor_fixture.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST_F(SupervisorTest, RunsEachJobOnceAndAtMostOnePerSlot) {
  queue("mkdir busy || echo two >> trace; echo $NAME >> trace; sleep 0.1; rmdir busy", 3, 1);
  supervise(work_);
  EXPECT_EQ(trace(), "a\nb\nc\n");
  for (const char* name : {"a", "b", "c"}) {
    EXPECT_EQ(row(name).state, RunState::kFinished);
    EXPECT_EQ(row(name).attempts, 1);
    EXPECT_EQ(row(name).slot, "slot 0");
  }
  // Another request does not restart finished runs.
  request("start-a");
  supervise(work_);
  EXPECT_EQ(trace(), "a\nb\nc\n");
}

TEST_F(SupervisorTest, RunsATrialOnEachSlotBeforeTrainings) {
  queue("echo $KIND >> trace; test $KIND = config || sleep 0.3", 3, 2, /*smoke=*/true);
  supervise(work_);
  EXPECT_EQ(trace(), "smoke\nsmoke\nconfig\nconfig\nconfig\n");
  EXPECT_EQ(row("c").state, RunState::kFinished);
}

TEST_F(SupervisorTest, StartsNoTrainingAfterAFailedTrial) {
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

TEST_F(SupervisorTest, ATrialThatFailsAfterAStopRequestHasFailed) {
  std::filesystem::create_directories(work_.log("a").parent_path());
  const auto state_after = [&](std::optional<int> status) {
    RunStatus row{.name = "a", .state = RunState::kSmoke};
    judge_trial(work_, /*asked_to_stop=*/true, status, row);
    return row.state;
  };
  EXPECT_EQ(state_after(130), RunState::kStopped);
  EXPECT_EQ(state_after(143), RunState::kStopped) << "ended by SIGTERM";
  EXPECT_EQ(state_after(std::nullopt), RunState::kStopped);
  EXPECT_EQ(state_after(1), RunState::kFailed);
}

TEST_F(SupervisorTest, AJobLaunchedWithoutATrialIsIndependentOfTrials) {
  queue("echo $KIND $NAME >> trace; test $KIND = config", 2, 1, /*smoke=*/true);
  queue_.jobs[0].smoke = false;
  work_.write_queue(queue_);
  supervise(work_);
  EXPECT_EQ(trace(), "config a\nsmoke b\n");
  EXPECT_EQ(row("a").state, RunState::kFinished);
  EXPECT_EQ(row("b").state, RunState::kFailed);
}

TEST_F(SupervisorTest, ATrialThatCannotStartHasFailed) {
  queue("", 2, 1, /*smoke=*/true);
  queue_.program = (folder_ / "none").string();
  work_.write_queue(queue_);
  supervise(work_);
  EXPECT_THAT(row("a").text, HasSubstr("none: cannot start: No such file"));
  EXPECT_EQ(row("b").text, "not started: the trial of a failed");
}

TEST_F(SupervisorTest, AFailureIsReportedWithItsLastLineAndOtherRunsContinue) {
  queue("test $NAME = a && { echo 'roboimi run: the disk is full'; exit 1; }; exit 0", 2, 1);
  supervise(work_);
  EXPECT_EQ(row("a").state, RunState::kFailed);
  EXPECT_EQ(row("a").text, "exit status 1: roboimi run: the disk is full");
  EXPECT_EQ(row("b").state, RunState::kFinished);
}

TEST_F(SupervisorTest, StoppingSendsOneInterruptAndRemovesQueuedRuns) {
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

TEST_F(SupervisorTest, ARunOfAKilledSupervisorIsTakenOverAndNotStartedTwice) {
  queue("", 1, 1);
  RunStatus left{.name = "a", .target = "here", .state = RunState::kRunning, .slot = "slot 0"};
  left.process = start_process({.words = {"/bin/sleep", "1"}});
  left.attempts = 1;
  work_.write_state({left});
  EXPECT_EQ(observe_work(work_)[0].text, "runs without its supervisor");
  std::thread reaper([&] { ::waitpid(static_cast<pid_t>(left.process.pid), nullptr, 0); });
  supervise(work_);  // its start request also exists
  reaper.join();
  EXPECT_EQ(row("a").attempts, 1);
  EXPECT_EQ(row("a").state, RunState::kLost);
  EXPECT_THAT(row("a").text, HasSubstr("its process ended without a record"));
}

// The state after a supervisor was killed between starting a run and recording it.
TEST_F(SupervisorTest, AnUnrecordedRunIsNotStartedTwice) {
  queue("echo up >> trace", 1, 1);
  std::optional<ProcessLock> lock = ProcessLock::take(work_.run_lock("a"));
  const ProcessIdentity unrecorded =
      start_process({.words = {"/bin/sleep", "2"}, .inherited = lock->descriptor()});
  lock.reset();
  std::thread supervisor([&] { supervise(work_); });
  EXPECT_TRUE(wait_for([&] { return row("a").text.starts_with("waits: an earlier process"); }));
  EXPECT_EQ(row("a").state, RunState::kQueued);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "trace"));
  ::waitpid(static_cast<pid_t>(unrecorded.pid), nullptr, 0);
  supervisor.join();
  EXPECT_EQ(trace(), "up\n");
  EXPECT_EQ(row("a").state, RunState::kFinished);
}

TEST_F(SupervisorTest, ANewSupervisorSendsNoSecondInterrupt) {
  queue("", 1, 1);
  const std::string script = folder_.program(
      "trap 'echo int >> trace; sleep 1; exit 130' INT; echo up >> trace\n"
      "while :; do sleep 0.05; done");
  RunStatus left{.name = "a", .target = "here", .state = RunState::kRunning, .slot = "slot 0"};
  left.asked_to_stop = true;
  left.process = start_process({.words = {script}, .directory = queue_.directory});
  work_.write_state({left});
  ASSERT_TRUE(wait_for([&] { return std::filesystem::exists(folder_ / "trace"); }));
  std::thread reaper([&] { ::waitpid(static_cast<pid_t>(left.process.pid), nullptr, 0); });
  request("stop-a");
  std::thread supervisor([&] { supervise(work_); });
  EXPECT_TRUE(wait_for([&] { return !std::filesystem::exists(work_.request("stop", "a")); }));
  std::this_thread::sleep_for(
      std::chrono::milliseconds(500));  // enough time for its shell to report a second signal
  EXPECT_EQ(trace(), "up\n");
  ::kill(static_cast<pid_t>(left.process.pid), SIGKILL);
  reaper.join();
  supervisor.join();
}

TEST_F(SupervisorTest, RemovesNoFileButRequests) {
  queue("echo $NAME >> trace", 1, 1);
  request("start-a");
  folder_.write("home/stop-thesis", "years of work");
  folder_.write("work/requests/notes.txt", "mine");
  supervise(work_);
  EXPECT_EQ(row("a").state, RunState::kFinished);
  EXPECT_TRUE(std::filesystem::exists(work_.requests() / "notes.txt"));
  EXPECT_FALSE(std::filesystem::exists(work_.request("start", "a")));

  std::filesystem::remove_all(work_.requests());
  std::filesystem::create_directory_symlink(folder_ / "home", work_.requests());
  EXPECT_THAT(error_text([&] { request_work(work_, "stop", {"thesis"}); }),
              ::testing::HasSubstr(work_.requests().string() +
                                   ": cannot write the requests: expected a folder; found a link"));
  supervise(work_);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "home/stop-thesis"));
}

TEST_F(SupervisorTest, RunsContinueIfTheStateCannotBeWrittenYet) {
  queue(
      "test $NAME = b || until mkdir work/state.json 2> /dev/null; do rm -f work/state.json; done\n"
      "echo $NAME >> trace",
      2, 1);
  std::thread supervisor([&] { supervise(work_); });
  EXPECT_TRUE(
      wait_for([&] { return std::filesystem::exists(folder_ / "trace") && trace() == "a\nb\n"; }));
  EXPECT_TRUE(std::filesystem::is_directory(work_.path() / "state.json"));
  std::filesystem::remove(work_.path() / "state.json");
  supervisor.join();
  EXPECT_EQ(row("a").state, RunState::kFinished);
  EXPECT_EQ(row("b").state, RunState::kFinished);
  EXPECT_EQ(row("b").attempts, 1);
}

TEST_F(SupervisorTest, AfterARebootRunsAreLostAndOtherProcessesWithTheirIdsAreNotTouched) {
  queue("", 2, 1);
  RunStatus ran{.name = "a", .target = "here", .state = RunState::kRunning, .slot = "slot 0"};
  ran.process = identify_process(::getpid());
  ran.process.boot_id = "another boot";
  const RunStatus waited{.name = "b", .target = "here", .state = RunState::kQueued};
  work_.write_state({ran, waited});
  const auto rows = observe_work(work_);
  EXPECT_EQ(rows[0].state, RunState::kLost);
  EXPECT_EQ(rows[0].text, "the machine was restarted since");
  EXPECT_EQ(rows[1].state, RunState::kLost);
  EXPECT_EQ(rows[1].text, "its supervisor ended before starting it");
}

TEST_F(SupervisorTest, ASecondSupervisorOfTheFolderReturns) {
  queue("echo $NAME >> trace", 1, 1);
  const ProcessLock lock = ProcessLock::take(work_.lock_file());
  supervise(work_);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "trace"));
}

}  // namespace
}  // namespace roboimi
