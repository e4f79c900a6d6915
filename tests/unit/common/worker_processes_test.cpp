#include "roboimi/common/worker_processes.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <set>

#include "roboimi/common/error.h"
#include "tests/error_text.h"

namespace roboimi {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

std::vector<std::string> shell(const std::string& script) { return {"/bin/sh", "-c", script}; }

const char* const kEcho = "while read line; do echo \"$$ $line\" >&3; done";

TEST(WorkerProcesses, AnswerEachLineWithALine) {
  WorkerProcesses workers(shell(kEcho), 2);
  for (std::int64_t worker = 0; worker < 2; ++worker) {
    workers.send(worker, "first");
    workers.send(worker, "second");
  }
  std::set<std::string> lines;
  while (lines.size() < 4) {
    const auto reply = workers.receive(5000ms);
    ASSERT_TRUE(reply.has_value());
    lines.insert(std::to_string(reply->worker) + reply->line.substr(reply->line.find(' ')));
  }
  EXPECT_THAT(lines, ::testing::ElementsAre("0 first", "0 second", "1 first", "1 second"));
  EXPECT_FALSE(workers.receive(1ms).has_value());
}

TEST(WorkerProcesses, ReportHowAWorkerEnded) {
  for (const auto& [script, found] : {std::pair<const char*, const char*>{"exit 7", "status 7"},
                                      {"kill -SEGV $$", "Segmentation fault"}}) {
    WorkerProcesses workers(shell(script), 1);
    try {
      while (true) workers.receive(5000ms);
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(found));
    }
  }
}

TEST(WorkerProcesses, TellAnEndByAStopSignalFromAFailure) {
  const auto follows_request = [](const char* script, bool stops) {
    WorkerProcesses workers(shell(script), 1);
    try {
      while (true) workers.receive(5000ms);
    } catch (const WorkerEnded& error) {
      return error.follows_request([&] { return stops; });
    }
  };
  EXPECT_TRUE(follows_request("kill -TERM $$", true));
  EXPECT_FALSE(follows_request("kill -TERM $$", false)) << "nobody asked this process to stop";
  EXPECT_FALSE(follows_request("kill -SEGV $$", true));
  EXPECT_FALSE(follows_request("exit 7", true));
}

TEST(WorkerProcesses, EndWithTheirOwner) {
  pid_t pid = 0;
  {
    WorkerProcesses workers(shell(kEcho), 1);
    workers.send(0, "");
    pid = std::stoi(workers.receive(5000ms)->line);
    EXPECT_EQ(kill(pid, 0), 0);
  }
  EXPECT_NE(kill(pid, 0), 0);
}

TEST(WorkerProcesses, NameAMissingProgram) {
  EXPECT_EQ(error_text([] { WorkerProcesses({"/nowhere/program"}, 1); }),
            "/nowhere/program: cannot start: No such file or directory");
}

volatile sig_atomic_t count_signals = 0;

TEST(WorkerProcesses, DoNotChangeTheSignalsOfTheHostProgram) {
  count_signals = 0;
  const auto former = ::signal(SIGPIPE, [](int) { count_signals = count_signals + 1; });
  {
    WorkerProcesses workers(shell("exec <&-; exit 5"), 1);
    const std::string text = error_text([&] {
      while (true) workers.send(0, std::string(100'000, 'x'));
    });
    EXPECT_THAT(
        text, HasSubstr("a worker process ended before it finished its work: found exit status 5"));
  }
  EXPECT_EQ(count_signals, 0) << "no SIGPIPE reaches the host program";
  ::raise(SIGPIPE);
  EXPECT_EQ(count_signals, 1) << "its handler is still there";
  ::signal(SIGPIPE, former);
}

TEST(WorkerProcesses, InheritNeitherIgnoredSignalsNorDescriptors) {
  const auto former = ::signal(SIGPIPE, SIG_IGN);
  sigset_t blocked, former_mask;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &former_mask);
  const int open_file = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC
  {
    WorkerProcesses workers(shell("exec grep -E 'Sig(Blk|Ign)' /proc/self/status >&3"), 1);
    const auto mask = [&] {
      return std::stoull(workers.receive(5000ms).value().line.substr(8), nullptr, 16);
    };
    EXPECT_EQ(mask(), 0U) << "blocked";
    EXPECT_EQ(mask() & (1U << (SIGPIPE - 1)), 0U) << "ignored";
  }
  {
    // The last one in the list is the folder that `ls` reads.
    WorkerProcesses workers(shell("exec ls /proc/self/fd >&3"), 1);
    for (const char* descriptor : {"0", "1", "2", "3", "4"}) {
      EXPECT_EQ(workers.receive(5000ms).value().line, descriptor);
    }
    EXPECT_THROW(workers.receive(5000ms), WorkerEnded);
  }
  ::close(open_file);
  ::pthread_sigmask(SIG_SETMASK, &former_mask, nullptr);
  ::signal(SIGPIPE, former);
}

}  // namespace
}  // namespace roboimi
