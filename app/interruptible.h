// Converts the Error with which Ctrl-C ends some commands into the exit status of interruptions.
#pragma once

#include <cstdlib>

#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/train/stop_request.h"

namespace roboimi::app {

// Runs `work` and returns the exit status: success, or kInterruptedStatus if `work` throws an Error
// after a stop request. Other errors are thrown again.
template <typename Work>
int interruptible(const StopRequest& stop, Work work) {
  try {
    work();
    return EXIT_SUCCESS;
  } catch (const Error& error) {
    if (!stop.requested()) throw;
    // Usually "interrupted after ...", but it may also be a full disk.
    logger().warn("ended early: {}", error.what());
    return kInterruptedStatus;
  }
}

}  // namespace roboimi::app
