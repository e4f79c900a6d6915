#include "roboimi/train/stop_request.h"

namespace roboimi {
namespace {

volatile std::sig_atomic_t stop_requested = 0;

}  // namespace

StopRequest::StopRequest() {
  stop_requested = 0;
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    const int number = kSignals[i];
    struct sigaction action {};
    action.sa_handler = [](int) { stop_requested = 1; };
    action.sa_flags = static_cast<int>(SA_RESTART);
    // The second signal finds the default action. Those that machines send come in twos.
    if (number != SIGHUP && number != SIGUSR2) action.sa_flags |= static_cast<int>(SA_RESETHAND);
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
