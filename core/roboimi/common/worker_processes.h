// Child processes that answer lines with lines, one at a time.
//
//   WorkerProcesses workers({"/proc/self/exe", "collect", "--worker"}, 2);
//   workers.send(0, "17");
//   if (auto reply = workers.receive(100ms)) use(reply->worker, reply->line);
//
// A worker reads lines from its standard input until that ends, and writes one line for each to
// descriptor kReplyDescriptor; "error: MESSAGE" says that it gave up. serve_tasks() does so. Its
// standard output goes to this process's stderr.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/common/export.h"

namespace roboimi {

// A worker that has ended although there was work for it.
class ROBOIMI_EXPORT WorkerEnded : public Error {
 public:
  using Error::Error;
};

class ROBOIMI_EXPORT WorkerProcesses {
 public:
  static constexpr int kReplyDescriptor = 3;

  // `command` starts with the path of the program.
  WorkerProcesses(const std::vector<std::string>& command, std::int64_t count);
  // Ends those still at work (SIGTERM) and waits for them.
  ~WorkerProcesses();
  WorkerProcesses(const WorkerProcesses&) = delete;
  WorkerProcesses& operator=(const WorkerProcesses&) = delete;

  std::int64_t size() const { return static_cast<std::int64_t>(workers_.size()); }
  void send(std::int64_t worker, const std::string& line);  // WorkerEnded, too

  struct Reply {
    std::int64_t worker = 0;
    std::string line;
  };
  // Empty when nothing came in time, or a signal did. WorkerEnded when a worker has ended, another
  // Error when it has given up.
  std::optional<Reply> receive(std::chrono::milliseconds timeout);

 private:
  struct Worker {
    pid_t pid = -1;
    int input = -1, output = -1;  // our ends of its pipes
    std::string received;         // without a line's end yet
  };

  WorkerProcesses() = default;
  void start(const std::vector<std::string>& command);
  std::optional<Reply> take_line();
  [[noreturn]] void fail_ended(Worker& worker);

  std::vector<Worker> workers_;
};

// The worker's side, first of all: ignores the signals that a terminal or a batch system sends to
// all processes of a job. The owner gets them, too, and decides.
ROBOIMI_EXPORT void leave_signals_to_owner();

// The worker's side: answers each line of standard input with the line that `work` makes of it,
// until that ends or `work` throws, which is told to the owner.
ROBOIMI_EXPORT void serve_tasks(const std::function<std::string(const std::string& task)>& work);

}  // namespace roboimi
