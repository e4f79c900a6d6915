#include "roboimi/common/spawn.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "roboimi/common/error.h"

extern char** environ;

namespace roboimi {
namespace {

// Ends of pipes get at least this number, above the descriptors that a child is given.
constexpr int kLowestEnd = 10;

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

}  // namespace

Pipe::Pipe() {
  int made[2];
  if (::pipe2(made, O_CLOEXEC) != 0) {
    throw Error({.what = std::string("cannot create a pipe: ") + std::strerror(errno),
                 .next = "raise the limit of open files (ulimit -n)"});
  }
  // In a process without standard input or output, the ends would get these numbers, and dup2()
  // onto one of them would close the other.
  for (int i = 0; i < 2; ++i) {
    ends_[i] = ::fcntl(made[i], F_DUPFD_CLOEXEC, kLowestEnd);
    if (ends_[i] < 0) {
      ends_[i] = made[i];
    } else {
      ::close(made[i]);
    }
  }
}

Pipe::~Pipe() {
  for (int& end : ends_) close(end);
}

void Pipe::close(int& end) {
  if (end >= 0) ::close(end);
  end = -1;
}

int Pipe::release(int& end) {
  const int released = end;
  end = -1;
  return released;
}

Spawn::Spawn() {
  ::posix_spawn_file_actions_init(&actions_);
  ::posix_spawnattr_init(&attributes_);
  ::sigfillset(&default_signals_);
  ::sigdelset(&default_signals_, SIGHUP);
}

Spawn::~Spawn() {
  ::posix_spawn_file_actions_destroy(&actions_);
  ::posix_spawnattr_destroy(&attributes_);
}

void Spawn::give(int descriptor, int as) {
  ::posix_spawn_file_actions_adddup2(&actions_, descriptor, as);
  first_unused_ = std::max(first_unused_, as + 1);
}

void Spawn::open(const std::filesystem::path& file, int flags, int as) {
  ::posix_spawn_file_actions_addopen(&actions_, as, file.c_str(), flags, 0644);
}

void Spawn::change_directory(const std::filesystem::path& directory) {
  ::posix_spawn_file_actions_addchdir_np(&actions_, directory.c_str());
}

void Spawn::start_session() {
  flags_ = static_cast<short>(flags_ | POSIX_SPAWN_SETSID);
  ::sigaddset(&default_signals_, SIGHUP);
}

pid_t Spawn::start(const std::vector<std::string>& words,
                   const std::map<std::string, std::string>& added) {
  // Reset the signals and close other descriptors.
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes_, &none);
  ::posix_spawnattr_setsigdefault(&attributes_, &default_signals_);
  ::posix_spawnattr_setflags(
      &attributes_, static_cast<short>(flags_ | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
  ::posix_spawn_file_actions_addclosefrom_np(&actions_, first_unused_);
  // Start the program.
  const std::vector<std::string> environment = environment_with(added);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, words.at(0).c_str(), &actions_, &attributes_,
                                   pointers(words).data(), pointers(environment).data());
  if (error == 0) return pid;
  throw Error({.what = std::string("cannot start: ") + std::strerror(error), .where = words[0]});
}

ssize_t write_without_signal(int descriptor, const void* data, std::size_t size) {
  // Write with SIGPIPE blocked.
  sigset_t pipe_signal, former, pending;
  ::sigemptyset(&pipe_signal);
  ::sigaddset(&pipe_signal, SIGPIPE);
  ::sigpending(&pending);
  const bool was_pending = ::sigismember(&pending, SIGPIPE) == 1;
  ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &former);
  const ssize_t written = ::write(descriptor, data, size);
  const int error = errno;
  // Remove a pending signal. It is sent to the thread that wrote, so it is pending only here. It is
  // also sent if the reader ends during a partial write.
  if (!was_pending) {
    const timespec at_once{};
    while (::sigtimedwait(&pipe_signal, nullptr, &at_once) < 0 && errno == EINTR) {
    }
  }
  ::pthread_sigmask(SIG_SETMASK, &former, nullptr);
  errno = error;
  return written;
}

}  // namespace roboimi
