#include "roboimi/train/stop_request.h"

namespace roboimi {
namespace {

volatile std::sig_atomic_t stop_requested = 0;

}  // namespace

StopRequest::StopRequest() {
  stop_requested = 0;
  struct sigaction action {};
  action.sa_handler = [](int) { stop_requested = 1; };
  // The second signal finds the default action.
  action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, &former_interrupt_);
  ::sigaction(SIGTERM, &action, &former_terminate_);
  ::sigaction(SIGUSR1, &action, &former_user_);
}

StopRequest::~StopRequest() {
  ::sigaction(SIGINT, &former_interrupt_, nullptr);
  ::sigaction(SIGTERM, &former_terminate_, nullptr);
  ::sigaction(SIGUSR1, &former_user_, nullptr);
}

bool StopRequest::requested() const { return stop_requested != 0; }

}  // namespace roboimi
