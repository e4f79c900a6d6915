// The check of an observation that a robot's process passes to a policy. Internal to deploy/.
#pragma once

#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/observation.h"

namespace roboimi {

// Throws Error if one of `streams` is missing, differs from `spec` in shape or dtype, or has a
// value that is not finite. Images are only checked if `with_images`. Streams of the observation
// that are not in `streams` are ignored.
ROBOIMI_EXPORT void check_observation(const Observation& observation, const ObservationSpec& spec,
                                      const std::vector<std::string>& streams, bool with_images);

}  // namespace roboimi
