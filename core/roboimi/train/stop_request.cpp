#include "roboimi/train/stop_request.h"

#include <ctime>

namespace roboimi {
namespace {

volatile std::sig_atomic_t stop_requested = 0;
timespec first_request;

// `timeout` and some schedulers send a signal to the process and again to its group.
constexpr double kSameRequestSeconds = 1.0;

double seconds_since_first_request() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return double(now.tv_sec - first_request.tv_sec) +
         1e-9 * double(now.tv_nsec - first_request.tv_nsec);
}

// Calls only async-signal-safe functions.
void on_signal(int number) {
  if (stop_requested == 0) {
    ::clock_gettime(CLOCK_MONOTONIC, &first_request);
    stop_requested = 1;
    return;
  }
  // Terminals and schedulers may send these several times for one request.
  if (number == SIGHUP || number == SIGUSR2) return;
  if (seconds_since_first_request() < kSameRequestSeconds) return;
  ::signal(number, SIG_DFL);
  ::raise(number);
}

}  // namespace

StopRequest::StopRequest() {
  stop_requested = 0;
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    const int number = kSignals[i];
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = static_cast<int>(SA_RESTART);
    ::sigemptyset(&action.sa_mask);
    ::sigaction(number, &action, &former_[i]);
    const bool was_ignored = former_[i].sa_handler == SIG_IGN;
    if (number == SIGHUP && was_ignored) ::sigaction(number, &former_[i], nullptr);
  }
}

StopRequest::~StopRequest() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals[i], &former_[i], nullptr);
  }
}

bool StopRequest::requested() const { return stop_requested != 0; }

}  // namespace roboimi
