#include "roboimi/common/worker_processes.h"

#include <gmock/gmock.h>
#include <signal.h>

#include <set>

#include "roboimi/common/error.h"

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

TEST(WorkerProcesses, SayHowAWorkerEnded) {
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

TEST(WorkerProcesses, NameAProgramThatIsNotThere) {
  EXPECT_THROW(WorkerProcesses({"/nowhere/program"}, 1), Error);
}

}  // namespace
}  // namespace roboimi
