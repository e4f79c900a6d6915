#include "roboimi/common/processes.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

#include "roboimi/common/error.h"

extern char** environ;

namespace roboimi {
namespace {

namespace fs = std::filesystem;

std::string first_line(const fs::path& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

// The state letter and the start time of /proc/PID/stat, whose second field may hold anything.
struct Stat {
  char state = 0;
  std::int64_t start_ticks = 0;
};

Stat read_stat(std::int64_t pid) {
  const std::string line = first_line("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream fields(line.substr(name_end + 1));
  Stat stat;
  fields >> stat.state;
  constexpr int kBetween = 18;  // fields 4 to 21; the 22nd is the start time
  std::string skipped;
  for (int i = 0; i < kBetween; ++i) fields >> skipped;
  fields >> stat.start_ticks;
  return stat;
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> result;
  for (const std::string& word : words) result.push_back(const_cast<char*>(word.c_str()));
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> environment_with(const std::map<std::string, std::string>& added) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!added.contains(text.substr(0, text.find('=')))) all.push_back(text);
  }
  for (const auto& [name, value] : added) all.push_back(name + "=" + value);
  return all;
}

// What posix_spawn needs beside the words, freed with the object.
class SpawnSettings {
 public:
  SpawnSettings() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    // What this process ignores or blocks, a run does not: Ctrl-C must reach it.
    sigset_t none, reset;
    ::sigemptyset(&none);
    ::sigfillset(&reset);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &reset);
  }
  ~SpawnSettings() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  void set_flags(int flags) {
    ::posix_spawnattr_setflags(
        &attributes, static_cast<short>(flags | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
  }

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

Error cannot_start(const std::string& program, int error) {
  return Error({.what = std::string("cannot start: ") + std::strerror(error), .where = program});
}

// Until when a process may run, in what poll() takes.
class Deadline {
 public:
  explicit Deadline(std::chrono::milliseconds limit) : limit_(limit) {}
  // -1: for ever; 0: no longer.
  int left() const {
    if (limit_ == kNoLimit) return -1;
    const auto passed = std::chrono::steady_clock::now() - begin_;
    const auto left = limit_ - std::chrono::duration_cast<std::chrono::milliseconds>(passed);
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
  }

 private:
  std::chrono::milliseconds limit_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

// Feeds `input` and collects both outputs until the process closes them; false when that takes too
// long.
bool exchange(int input_end, const std::string& input, std::array<int, 2> outputs,
              const Deadline& deadline, ProcessResult& result) {
  std::size_t sent = 0;
  bool open_input = true;
  std::array<std::string*, 2> texts = {&result.output, &result.errors};
  while (open_input || outputs[0] >= 0 || outputs[1] >= 0) {
    if (open_input && sent == input.size()) {
      ::close(input_end);
      open_input = false;
    }
    std::array<pollfd, 3> waiting = {{{outputs[0], POLLIN, 0},
                                      {outputs[1], POLLIN, 0},
                                      {open_input ? input_end : -1, POLLOUT, 0}}};
    const int left = deadline.left();
    if (left == 0) {
      for (const pollfd& end : waiting) {
        if (end.fd >= 0) ::close(end.fd);
      }
      return false;
    }
    if (::poll(waiting.data(), waiting.size(), left) <= 0) continue;
    if (waiting[2].revents != 0) {
      const ssize_t count = ::write(input_end, input.data() + sent, input.size() - sent);
      if (count > 0) sent += static_cast<std::size_t>(count);
      // The reader has enough.
      if (count < 0 && errno != EINTR && errno != EAGAIN) sent = input.size();
    }
    for (std::size_t i = 0; i < 2; ++i) {
      if (waiting[i].revents == 0) continue;
      std::array<char, 65536> buffer;
      const ssize_t count = ::read(outputs[i], buffer.data(), buffer.size());
      if (count > 0) texts[i]->append(buffer.data(), static_cast<std::size_t>(count));
      if (count == 0 || (count < 0 && errno != EINTR)) {
        ::close(outputs[i]);
        outputs[i] = -1;
      }
    }
  }
  return true;
}

// False when it does not end in time: it may go on after it has closed its outputs.
bool wait_for(pid_t pid, const Deadline& deadline, int& status) {
  constexpr std::chrono::milliseconds kPause{2};
  while (true) {
    const bool is_limited = deadline.left() >= 0;
    const pid_t ended = ::waitpid(pid, &status, is_limited ? WNOHANG : 0);
    if (ended > 0 || (ended < 0 && errno != EINTR)) return true;
    if (deadline.left() == 0) return false;
    if (is_limited) std::this_thread::sleep_for(kPause);
  }
}

}  // namespace

ProcessIdentity identify_process(pid_t pid) {
  const Stat stat = pid > 0 ? read_stat(pid) : Stat{};
  if (stat.state == 0) return {};
  return {.pid = pid,
          .start_ticks = stat.start_ticks,
          .boot_id = first_line("/proc/sys/kernel/random/boot_id")};
}

bool is_alive(const ProcessIdentity& process) {
  if (process.pid <= 0) return false;
  const Stat stat = read_stat(process.pid);
  return stat.state != 0 && stat.state != 'Z' && stat.state != 'X' &&
         stat.start_ticks == process.start_ticks &&
         process.boot_id == first_line("/proc/sys/kernel/random/boot_id");
}

ProcessIdentity start_process(const ProcessStart& start) {
  SpawnSettings settings;
  settings.set_flags(POSIX_SPAWN_SETSID);
  ::posix_spawn_file_actions_addopen(&settings.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  const std::string output = start.output.empty() ? "/dev/null" : start.output.string();
  ::posix_spawn_file_actions_addopen(&settings.actions, STDOUT_FILENO, output.c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0644);
  ::posix_spawn_file_actions_adddup2(&settings.actions, STDOUT_FILENO, STDERR_FILENO);
  if (!start.directory.empty()) {
    ::posix_spawn_file_actions_addchdir_np(&settings.actions, start.directory.c_str());
  }
  if (start.inherited >= 0) {
    ::posix_spawn_file_actions_adddup2(&settings.actions, start.inherited, STDERR_FILENO + 1);
  }
  const std::vector<std::string> environment = environment_with(start.environment);
  pid_t pid = -1;
  const int error =
      ::posix_spawn(&pid, start.words.at(0).c_str(), &settings.actions, &settings.attributes,
                    pointers(start.words).data(), pointers(environment).data());
  if (error != 0) throw cannot_start(start.words[0], error);
  return identify_process(pid);
}

ProcessResult run_process(const std::vector<std::string>& words, const std::string& input,
                          std::chrono::milliseconds limit) {
  int in[2], out[2], err[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0) {
    throw Error(std::string("cannot make a pipe: ") + std::strerror(errno));
  }
  // A program that ends before it has read its input is told by its status.
  ::signal(SIGPIPE, SIG_IGN);
  SpawnSettings settings;
  settings.set_flags(0);
  ::posix_spawn_file_actions_adddup2(&settings.actions, in[0], STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&settings.actions, out[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&settings.actions, err[1], STDERR_FILENO);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, words.at(0).c_str(), &settings.actions,
                                   &settings.attributes, pointers(words).data(), environ);
  for (const int end : {in[0], out[1], err[1]}) ::close(end);
  if (error != 0) {
    for (const int end : {in[1], out[0], err[0]}) ::close(end);
    throw cannot_start(words[0], error);
  }
  ProcessResult result;
  // A full pipe must not keep the outputs from being read.
  ::fcntl(in[1], F_SETFL, O_NONBLOCK);
  const Deadline deadline(limit);
  int status = 0;
  const bool in_time =
      exchange(in[1], input, {out[0], err[0]}, deadline, result) && wait_for(pid, deadline, status);
  if (!in_time) {
    ::kill(pid, SIGKILL);
    wait_for(pid, Deadline(kNoLimit), status);
  }
  result.status = in_time ? shell_status(status) : kTimedOut;
  return result;
}

int shell_status(int wait_status) {
  return WIFSIGNALED(wait_status) ? kSignalStatus + WTERMSIG(wait_status)
                                  : WEXITSTATUS(wait_status);
}

std::string status_text(int status) {
  if (status <= kSignalStatus) return "exit status " + std::to_string(status);
  const int number = status - kSignalStatus;
  return "signal " + std::to_string(number) + " (" + ::strsignal(number) + ")";
}

}  // namespace roboimi
