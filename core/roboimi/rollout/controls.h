// Controls for an evaluation: environments in which a policy cannot show what it saw. A policy with
// cameras must do better in the true one, or it does not use them.
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
  kHoldPose,  // every command is the state of the episode's start: no policy at all
  kBlack,     // pictures are black
  kShuffled,  // pictures are of the episode of the next seed, in which the same commands are given;
              // for simulators only, since it takes a second environment
};

// "none", "hold_pose", "black", "shuffled".
ROBOIMI_EXPORT const std::vector<std::string>& control_names();
// Error for any other name.
ROBOIMI_EXPORT Control control_from(const std::string& name);

// An environment of `make` under a control; kShuffled makes two. Its scene, where it has one, is
// the true one: videos, paths and labels are not controlled. Error: kHoldPose where commands are no
// states, kShuffled without a scene.
ROBOIMI_EXPORT std::shared_ptr<Environment> controlled(
    Control control, const std::function<std::shared_ptr<Environment>()>& make);

}  // namespace roboimi
