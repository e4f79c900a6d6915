#include "roboimi/plugin/crash_note.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

namespace roboimi {
namespace {

constexpr std::array kCrashSignals = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

// The data of the signal handler. Nothing in it is allocated or freed.
struct Shared {
  std::atomic<bool> is_active = false;
  char text[4096 + 128];
  std::size_t size = 0;
  std::array<struct sigaction, kCrashSignals.size()> former;
};
Shared shared;

void restore_handlers() {
  for (std::size_t i = 0; i < kCrashSignals.size(); ++i) {
    ::sigaction(kCrashSignals[i], &shared.former[i], nullptr);
  }
}

// The signal that this raises is blocked until it returns, and then goes to the former handler.
void write_and_pass_on(int signal) {
  const int error = errno;
  if (shared.is_active.exchange(false)) {
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, shared.text, shared.size);
    restore_handlers();
  }
  ::raise(signal);
  errno = error;
}

}  // namespace

CrashNote::CrashNote(const std::string& text) : is_active_(!shared.is_active) {
  if (!is_active_) return;
  const std::string line = "roboimi: " + text + "\n";
  shared.size = std::min(line.size(), sizeof(shared.text));
  std::memcpy(shared.text, line.data(), shared.size);
  struct sigaction action = {};
  action.sa_handler = write_and_pass_on;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_ONSTACK;
  for (std::size_t i = 0; i < kCrashSignals.size(); ++i) {
    ::sigaction(kCrashSignals[i], &action, &shared.former[i]);
  }
  shared.is_active = true;
}

CrashNote::~CrashNote() {
  if (is_active_ && shared.is_active.exchange(false)) restore_handlers();
}

}  // namespace roboimi
