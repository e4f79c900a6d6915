// Control experiments for evaluations: environments that hide what the cameras see. A policy that
// relies on vision should do better in the normal environment.
//
//   auto environment = controlled(Control::kBlack, [&] { return make_environment(); });
//   run_rollouts(agent, *environment, options);
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/environment.h"

namespace roboimi {

enum class Control {
  kNone,
  kHoldPose,  // no policy: every action is the first state of the episode
  kBlack,     // images are black
  kShuffled,  // images are of the episode with the next seed, which receives the same actions; only
              // for simulators, because it needs a second environment
};

// "none", "hold_pose", "black", "shuffled".
ROBOIMI_EXPORT const std::vector<std::string>& control_names();
// Throws Error for any other name.
ROBOIMI_EXPORT Control control_from(const std::string& name);

// An environment from `make` under a control; kShuffled creates two. scene() returns the scene of
// the actual environment, so overviews, paths and labels are not changed. Throws Error for
// kHoldPose if actions and states have different sizes, and for kShuffled without a scene.
ROBOIMI_EXPORT std::shared_ptr<Environment> controlled(
    Control control, const std::function<std::shared_ptr<Environment>()>& make);

}  // namespace roboimi
