// What a robot's process hands to a policy, checked before the policy sees it. Internal to deploy/.
#pragma once

#include <string>
#include <vector>

#include "roboimi/contract/observation.h"

namespace roboimi {

// Error naming what does not fit `spec`: the state's size, type or a number of it that is not
// finite; of `cameras`, one that is missing, or the size or type of its image. Other images are not
// looked at.
void check_observation(const Observation& observation, const ObservationSpec& spec,
                       const std::vector<std::string>& cameras);

}  // namespace roboimi
