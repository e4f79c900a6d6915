// Converts the exception with which Ctrl-C ends some commands into the exit status of
// interruptions.
#pragma once

#include <cstdlib>

#include "roboimi/common/interrupted.h"
#include "roboimi/common/log.h"
#include "roboimi/train/stop_request.h"

namespace roboimi::app {

// Runs `work` and returns the exit status: success, or kInterruptedStatus if `work` throws
// Interrupted.
template <typename Work>
int interruptible(Work work) {
  try {
    work();
    return EXIT_SUCCESS;
  } catch (const Interrupted& error) {
    logger().warn("ended early: {}", error.what());
    return kInterruptedStatus;
  }
}

}  // namespace roboimi::app
