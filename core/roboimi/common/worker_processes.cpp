#include "roboimi/common/worker_processes.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <thread>

#include "roboimi/common/error.h"
#include "roboimi/common/processes.h"
#include "roboimi/common/spawn.h"

namespace roboimi {
namespace {

const std::string kError = "error: ";

// The signals that a terminal or a batch system sends to all processes of a job.
constexpr std::array kStopSignals = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};

// Writes the whole string; false if the reader is gone.
bool write_all(int descriptor, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t written =
        write_without_signal(descriptor, text.data() + done, text.size() - done);
    if (written < 0 && errno != EINTR) return false;
    if (written > 0) done += static_cast<std::size_t>(written);
  }
  return true;
}

}  // namespace

WorkerEnded::WorkerEnded(std::optional<int> status)
    : Error({.what = "a worker process ended before it finished its work",
             .found = status ? status_text(*status) : "an unknown status",
             .next = "see its message above"}),
      got_stop_signal_(status && std::count(kStopSignals.begin(), kStopSignals.end(),
                                            *status - kSignalStatus) != 0) {}

bool WorkerEnded::follows_request(const std::function<bool()>& should_stop) const {
  if (!got_stop_signal_ || !should_stop) return false;
  constexpr int kTries = 10;
  for (int i = 0; i < kTries && !should_stop(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return should_stop();
}

WorkerProcesses::WorkerProcesses(const std::vector<std::string>& command, std::int64_t count)
    : WorkerProcesses() {  // so that after an Error the destructor ends the workers
  for (std::int64_t i = 0; i < count; ++i) start(command);
}

WorkerProcesses::~WorkerProcesses() {
  for (Worker& worker : workers_) {
    ::close(worker.input);
    ::close(worker.output);
    if (worker.pid > 0) ::kill(worker.pid, SIGTERM);
  }
  for (Worker& worker : workers_) {
    if (worker.pid > 0) ::waitpid(worker.pid, nullptr, 0);
  }
}

void WorkerProcesses::start(const std::vector<std::string>& command) {
  Pipe input, output;
  Spawn child;
  child.give(input.read_end(), STDIN_FILENO);
  child.give(STDERR_FILENO, STDOUT_FILENO);
  child.give(output.write_end(), kReplyDescriptor);
  const pid_t pid = child.start(command);
  workers_.push_back({.pid = pid,
                      .input = input.release_write_end(),
                      .output = output.release_read_end(),
                      .received = {}});
}

void WorkerProcesses::send(std::int64_t worker, const std::string& line) {
  Worker& chosen = workers_.at(static_cast<std::size_t>(worker));
  if (!write_all(chosen.input, line + "\n")) fail_ended(chosen);
}

std::optional<WorkerProcesses::Reply> WorkerProcesses::take_line() {
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    std::string& received = workers_[i].received;
    const std::size_t end = received.find('\n');
    if (end == std::string::npos) continue;
    Reply reply{.worker = static_cast<std::int64_t>(i), .line = received.substr(0, end)};
    received.erase(0, end + 1);
    if (reply.line.starts_with(kError)) throw Error(reply.line.substr(kError.size()));
    return reply;
  }
  return std::nullopt;
}

std::optional<WorkerProcesses::Reply> WorkerProcesses::receive(std::chrono::milliseconds timeout) {
  if (auto waiting = take_line()) return waiting;
  // Wait for output.
  std::vector<pollfd> outputs;
  for (const Worker& worker : workers_) {
    outputs.push_back({.fd = worker.output, .events = POLLIN, .revents = 0});
  }
  if (::poll(outputs.data(), outputs.size(), static_cast<int>(timeout.count())) <= 0) {
    return std::nullopt;
  }
  // Read it.
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].revents == 0) continue;
    char buffer[4096];
    const ssize_t size = ::read(outputs[i].fd, buffer, sizeof(buffer));
    if (size == 0) fail_ended(workers_[i]);
    if (size > 0) workers_[i].received.append(buffer, static_cast<std::size_t>(size));
  }
  return take_line();
}

void WorkerProcesses::fail_ended(Worker& worker) {
  int status = 0;
  const bool is_known = ::waitpid(worker.pid, &status, 0) == worker.pid;
  worker.pid = -1;
  throw WorkerEnded(is_known ? std::optional<int>(shell_status(status)) : std::nullopt);
}

void leave_signals_to_owner() {
  for (const int number : {SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) ::signal(number, SIG_IGN);
}

void serve_tasks(const std::function<std::string(const std::string& task)>& work) {
  bool has_failed = false;
  for (std::string task; !has_failed && std::getline(std::cin, task);) {
    std::string answer;
    try {
      answer = work(task);
    } catch (const std::exception& error) {
      answer = kError + one_line_message(error);
      has_failed = true;
    }
    if (!write_all(WorkerProcesses::kReplyDescriptor, answer + "\n")) {
      throw Error("this worker's owner no longer reads its answers");
    }
  }
}

}  // namespace roboimi
