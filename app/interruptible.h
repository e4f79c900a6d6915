// Ctrl-C as the end of a command that it ends by an Error.
#pragma once

#include <cstdlib>

#include "roboimi/common/error.h"
#include "roboimi/train/stop_request.h"

namespace roboimi::app {

// The exit status of `work`: success, or an interruption where an Error came after a stop request.
template <typename Work>
int interruptible(const StopRequest& stop, Work work) {
  try {
    work();
    return EXIT_SUCCESS;
  } catch (const Error&) {
    if (stop.requested()) return kInterruptedStatus;
    throw;
  }
}

}  // namespace roboimi::app
