// An environment: the robot that a policy acts in, or a simulator of one, with gymnasium's
// semantics. What only a simulator knows and can do is its Scene (contract/scene.h).
//
//   Observation observation = environment.reset(seed, /*render=*/true);
//   for (bool done = false; !done;) {
//     const StepResult result = environment.step(policy(observation), /*render=*/true);
//     observation = result.observation;
//     done = result.terminated || result.truncated;
//   }
//
// A robot implements the five pure functions and is complete: policies are trained for it, rolled
// out, controlled and checked. It has no scene, so rollouts leave tables and neither videos nor
// trajectory images, and demonstrations cannot be collected by a scripted expert.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "roboimi/common/export.h"
#include "roboimi/contract/observation.h"

namespace roboimi {

class Scene;

// The progress of an episode. A robot without a sensor of its task leaves it as it is.
struct StepInfo {
  bool success = false;  // the task's own criterion has been met at this or an earlier step
  bool stable_success =
      false;               // a stricter criterion, where the task has one (held, giver released)
  std::int64_t stage = 0;  // highest stage reached so far; named by Scene::stage_names()
};

struct StepResult {
  Observation observation;
  double reward = 0.0;
  bool terminated = false;  // the task itself ended
  bool truncated = false;   // the time limit was reached
  StepInfo info;
};

// One instance is used from one thread at a time.
class ROBOIMI_EXPORT Environment {
 public:
  virtual ~Environment();

  virtual const ObservationSpec& spec() const = 0;
  virtual std::int64_t max_steps() const = 0;  // steps until truncated

  // Starts an episode. In a simulator the initial state depends on `seed` alone; a robot moves to
  // its start pose and may ignore the seed. Without `render` the observation has no image and no
  // frame is drawn.
  virtual Observation reset(std::uint64_t seed, bool render) = 0;
  // action float [A]. Error for another size and for values that are not finite. After terminated
  // or truncated, reset() must come first (Error).
  virtual StepResult step(const at::Tensor& action, bool render) = 0;
  // The current observation again, for a caller that decides after step() whether it wants images.
  virtual Observation observe(bool render) = 0;

  // The simulated scene, which lives as long as the environment; nullptr for a robot.
  virtual Scene* scene();
};

}  // namespace roboimi
