// Worker processes: child processes that answer each line of input with one line of output.
//
//   WorkerProcesses workers({"/proc/self/exe", "collect", "--worker"}, 2);
//   workers.send(0, "17");
//   if (const auto reply = workers.receive(std::chrono::seconds(1))) std::cout << reply->line;
//
// A worker reads lines from its standard input until end of input, and writes one line for each to
// the descriptor kReplyDescriptor. The line "error: MESSAGE" means that it has failed.
// serve_tasks() implements this protocol. A worker's standard output goes to this process's stderr.
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

// The error that a worker has ended although it still had work.
class ROBOIMI_EXPORT WorkerEnded : public Error {
 public:
  // `status`: as a shell reports it; empty if it is unknown.
  explicit WorkerEnded(std::optional<int> status);
  // Whether the worker ended because its owner is asked to stop: a signal that asks a job to stop
  // has ended it, and `should_stop` returns true now or within half a second. A batch system
  // signals all processes of a job, so a worker may end before its owner gets the signal.
  bool follows_request(const std::function<bool()>& should_stop) const;

 private:
  bool got_stop_signal_;
};

class ROBOIMI_EXPORT WorkerProcesses {
 public:
  static constexpr int kReplyDescriptor = 3;

  // `command`: the path of the program and its arguments.
  WorkerProcesses(const std::vector<std::string>& command, std::int64_t count);
  // Ends the workers (SIGTERM) and waits for them.
  ~WorkerProcesses();
  WorkerProcesses(const WorkerProcesses&) = delete;
  WorkerProcesses& operator=(const WorkerProcesses&) = delete;

  std::int64_t size() const { return static_cast<std::int64_t>(workers_.size()); }
  void send(std::int64_t worker, const std::string& line);  // throws WorkerEnded, see receive()

  struct Reply {
    std::int64_t worker = 0;
    std::string line;
  };
  // The next line of any worker. Empty after the timeout or a signal. Throws WorkerEnded if a
  // worker has ended, and another Error if a worker has reported one.
  std::optional<Reply> receive(std::chrono::milliseconds timeout);

 private:
  struct Worker {
    pid_t pid = -1;
    int input = -1, output = -1;  // this process's ends of its pipes
    std::string received;         // bytes not returned yet
  };

  WorkerProcesses() = default;
  void start(const std::vector<std::string>& command);
  std::optional<Reply> take_line();
  [[noreturn]] void fail_ended(Worker& worker);

  std::vector<Worker> workers_;
};

// In a worker, call this first: ignores the signals that a terminal or a batch system sends to all
// processes of a job. The owner gets them too and decides what to do.
ROBOIMI_EXPORT void leave_signals_to_owner();

// In a worker: answers each line of standard input with the line that `work` returns, until the
// input ends or `work` throws. An exception is reported to the owner.
ROBOIMI_EXPORT void serve_tasks(const std::function<std::string(const std::string& task)>& work);

}  // namespace roboimi
