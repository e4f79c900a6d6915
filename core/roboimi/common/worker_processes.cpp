#include "roboimi/common/worker_processes.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>

#include "roboimi/common/error.h"

extern char** environ;

namespace roboimi {
namespace {

const std::string kError = "error: ";

// Writes all of it; false when the reader is gone.
bool write_all(int descriptor, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t written = ::write(descriptor, text.data() + done, text.size() - done);
    if (written < 0 && errno != EINTR) return false;
    if (written > 0) done += static_cast<std::size_t>(written);
  }
  return true;
}

}  // namespace

WorkerProcesses::WorkerProcesses(const std::vector<std::string>& command, std::int64_t count) {
  // A worker that ended is reported by receive(), not by a signal.
  ::signal(SIGPIPE, SIG_IGN);
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
  int input[2], output[2];
  if (::pipe2(input, O_CLOEXEC) != 0 || ::pipe2(output, O_CLOEXEC) != 0) {
    throw Error(std::string("cannot make a pipe: ") + std::strerror(errno));
  }
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, output[1], kReplyDescriptor);
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  Worker worker{.input = input[1], .output = output[0]};
  const int error = ::posix_spawn(&worker.pid, words[0], &actions, nullptr, words.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(input[0]);
  ::close(output[1]);
  if (error != 0) {
    ::close(input[1]);
    ::close(output[0]);
    throw Error({.what = std::string("cannot start a worker: ") + std::strerror(error),
                 .where = command[0]});
  }
  workers_.push_back(worker);
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
  std::vector<pollfd> outputs;
  for (const Worker& worker : workers_) {
    outputs.push_back({.fd = worker.output, .events = POLLIN, .revents = 0});
  }
  if (::poll(outputs.data(), outputs.size(), static_cast<int>(timeout.count())) <= 0) {
    return std::nullopt;
  }
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
  ::waitpid(worker.pid, &status, 0);
  worker.pid = -1;
  const std::string found = WIFSIGNALED(status)
                                ? std::string("signal ") + ::strsignal(WTERMSIG(status))
                                : "exit status " + std::to_string(WEXITSTATUS(status));
  throw Error({.what = "a worker process ended before its work",
               .found = found,
               .next = "its own message is above"});
}

void serve_tasks(const std::function<std::string(const std::string& task)>& work) {
  bool gave_up = false;
  for (std::string task; !gave_up && std::getline(std::cin, task);) {
    std::string answer;
    try {
      answer = work(task);
    } catch (const std::exception& error) {
      answer = kError + one_line_message(error);
      gave_up = true;
    }
    if (!write_all(WorkerProcesses::kReplyDescriptor, answer + "\n")) {
      throw Error("nobody waits for this worker's answer");
    }
  }
}

}  // namespace roboimi
