// Whether a policy can be rolled out in an environment: asked before a training or an evaluation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "roboimi/common/export.h"
#include "roboimi/contract/observation.h"

namespace roboimi {

class Environment;

// Of videos and trajectory images.
inline constexpr ImageSize kFilmSize{.height = 480, .width = 640};

// Error when sizes, cameras or control rates differ. A rate of 0 is unknown and fits; two rates
// within 2 % are one.
ROBOIMI_EXPORT void require_fit(const ObservationSpec& policy, const ObservationSpec& environment);

// The camera that rollouts are filmed by: "front" where the scene has it, else the first of the
// observation's cameras. None when there is no scene, or neither camera: such rollouts write tables
// only.
ROBOIMI_EXPORT std::optional<std::string> filming_camera(Environment& environment);

// Starts an episode from `seed` and draws what rollouts will need: the observation's images where
// `with_images`, and a frame of the film where `films` and there is a scene. Error when that fails,
// as without OpenGL, or when an image is not of the size that the environment's spec says.
ROBOIMI_EXPORT void try_environment(Environment& environment, std::uint64_t seed, bool with_images,
                                    bool films);

}  // namespace roboimi
