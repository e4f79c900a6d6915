#include "roboimi/common/processes.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>

#include "roboimi/common/error.h"
#include "roboimi/common/spawn.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

std::string first_line(const fs::path& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

// The state letter and the start time from /proc/PID/stat.
struct Stat {
  char state = 0;
  std::int64_t start_ticks = 0;
};

Stat read_stat(std::int64_t pid) {
  const std::string line = first_line("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t name_end = line.rfind(')');  // the second field may contain any characters
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

// The time limit of a process, in the units of poll().
class Deadline {
 public:
  explicit Deadline(std::chrono::milliseconds limit) : limit_(limit) {}
  // Milliseconds left; -1: no limit; 0: the time is over.
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

// Writes `input` to the process and collects both outputs until the process closes them; false if
// that takes too long.
bool exchange(int input_end, const std::string& input, std::array<int, 2> outputs,
              const Deadline& deadline, ProcessResult& result) {
  std::size_t sent = 0;
  bool open_input = true;
  std::array<std::string*, 2> texts = {&result.output, &result.errors};
  while (open_input || outputs[0] >= 0 || outputs[1] >= 0) {
    // Close the input when it is sent.
    if (open_input && sent == input.size()) {
      ::close(input_end);
      open_input = false;
      continue;  // the outputs may already be closed: then there is nothing to wait for
    }
    // Wait until something can be read or written.
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
    // Write more input.
    if (waiting[2].revents != 0) {
      const ssize_t count =
          write_without_signal(input_end, input.data() + sent, input.size() - sent);
      if (count > 0) sent += static_cast<std::size_t>(count);
      // The process does not read any more.
      if (count < 0 && errno != EINTR && errno != EAGAIN) sent = input.size();
    }
    // Read more output.
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

// Waits for a process to end, which may be after it has closed its outputs; false if it does not
// end in time. `status` stays empty if somebody else has reaped it.
bool wait_for(pid_t pid, const Deadline& deadline, std::optional<int>& status) {
  constexpr std::chrono::milliseconds kPause{2};
  while (true) {
    const bool is_limited = deadline.left() >= 0;
    int found = 0;
    const pid_t ended = ::waitpid(pid, &found, is_limited ? WNOHANG : 0);
    if (ended > 0) status = found;
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
  Spawn child;
  child.start_session();
  child.open("/dev/null", O_RDONLY, STDIN_FILENO);
  child.open(start.output.empty() ? fs::path("/dev/null") : start.output,
             O_WRONLY | O_CREAT | O_APPEND, STDOUT_FILENO);
  child.give(STDOUT_FILENO, STDERR_FILENO);
  if (!start.directory.empty()) child.change_directory(start.directory);
  if (start.inherited >= 0) child.give(start.inherited, STDERR_FILENO + 1);
  return identify_process(child.start(start.words, start.environment));
}

ProcessResult run_process(const std::vector<std::string>& words, const std::string& input,
                          std::chrono::milliseconds limit) {
  // Start the program with three pipes.
  Pipe in, out, err;
  Spawn child;
  child.give(in.read_end(), STDIN_FILENO);
  child.give(out.write_end(), STDOUT_FILENO);
  child.give(err.write_end(), STDERR_FILENO);
  const pid_t pid = child.start(words);
  in.close_read_end();
  out.close_write_end();
  err.close_write_end();
  // Exchange input and outputs. A full input pipe must not block the reading of the outputs.
  ProcessResult result;
  ::fcntl(in.write_end(), F_SETFL, O_NONBLOCK);
  const Deadline deadline(limit);
  std::optional<int> status;
  result.timed_out =
      !exchange(in.release_write_end(), input, {out.release_read_end(), err.release_read_end()},
                deadline, result) ||
      !wait_for(pid, deadline, status);
  // Find the exit status.
  if (result.timed_out) {
    ::kill(pid, SIGKILL);
    wait_for(pid, Deadline(kNoLimit), status);
    result.status = kTimedOut;
  } else if (status) {
    result.status = shell_status(*status);
  } else {
    throw Error({.what = "the exit status is unknown",
                 .where = words[0],
                 .found = "a program that ignores SIGCHLD or reaps all its children",
                 .next = "leave SIGCHLD at its default"});
  }
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
