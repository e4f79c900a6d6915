// Checks before a training or an evaluation that a policy can be rolled out in an environment.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "roboimi/common/export.h"
#include "roboimi/contract/observation.h"

namespace roboimi {

class Agent;
class Environment;

// The size of the overview in videos and trajectory images.
inline constexpr ImageSize kFilmSize{.height = 480, .width = 640};

// Describes in words the first difference between the streams and actions in `other` and those in
// the agent's training data; empty if there is none. Only the streams that the agent reads
// (Agent::stream_names()) are compared.
ROBOIMI_EXPORT std::string difference_for(const Agent& agent, const ObservationSpec& other);

// Throws Error if there is such a difference, or if the control rates differ. A rate of 0 is
// unknown and fits any rate; rates within 2 % of each other fit.
ROBOIMI_EXPORT void require_fit(const Agent& agent, const ObservationSpec& environment);

// The camera of the overview in videos and trajectory images: "overview" or "front" if the scene
// has it, else the first camera of the observation. Empty if there is no scene or no camera; such
// rollouts only write tables.
ROBOIMI_EXPORT std::optional<std::string> filming_camera(Environment& environment);

// Starts an episode from `seed` and renders what rollouts will need: the observation's images if
// `with_images`, and an overview if `films`. Throws Error if that fails, for example without
// OpenGL, or if an image differs from the environment's spec. Does nothing without a scene: a robot
// would move.
ROBOIMI_EXPORT void try_environment(Environment& environment, std::uint64_t seed, bool with_images,
                                    bool films);

}  // namespace roboimi
