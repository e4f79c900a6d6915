// What a robot's process hands to a policy, checked before the policy sees it. Internal to deploy/.
#pragma once

#include <string>
#include <vector>

#include "roboimi/contract/observation.h"

namespace roboimi {

// Error naming what does not fit `spec`: of `streams`, one that is missing or whose size or type is
// wrong, or a number that is not finite. Images count where `with_images`; other streams are not
// looked at.
void check_observation(const Observation& observation, const ObservationSpec& spec,
                       const std::vector<std::string>& streams, bool with_images);

}  // namespace roboimi
