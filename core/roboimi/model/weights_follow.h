// Tells components under construction that a checkpoint will fill in all of their weights.
//
//   if (!options.checkpoint.empty() && !WeightsFollow::active()) load_weights(options.checkpoint);
//
// A policy's own checkpoint holds its frozen encoder too, so that it can be deployed where the
// encoder's original file is not.
#pragma once

#include "roboimi/common/export.h"

namespace roboimi {

// Active on this thread while one lives.
class ROBOIMI_EXPORT WeightsFollow {
 public:
  WeightsFollow();
  ~WeightsFollow();
  WeightsFollow(const WeightsFollow&) = delete;
  WeightsFollow& operator=(const WeightsFollow&) = delete;

  static bool active();
};

}  // namespace roboimi
