// An environment: a robot that a policy controls, or a simulator of one. reset() and step() have
// the semantics of Gymnasium. Features that only a simulator has are in Scene (contract/scene.h).
//
//   Observation observation = environment.reset(seed, /*render=*/true);
//   for (bool done = false; !done;) {
//     const StepResult result = environment.step(policy(observation), /*render=*/true);
//     observation = result.observation;
//     done = result.terminated || result.truncated;
//   }
//
// A robot implements the five pure virtual functions; that is enough to train, roll out and check
// policies. Without a scene, rollouts write tables but no videos or trajectory images, and
// demonstrations cannot be collected with a scripted expert.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "roboimi/common/export.h"
#include "roboimi/contract/observation.h"

namespace roboimi {

class Scene;

// The progress of an episode. A robot that cannot measure its task leaves the defaults.
struct StepInfo {
  bool success = false;         // the task's criterion was met at this or an earlier step
  bool stable_success = false;  // a stricter criterion, if the task has one (object held steadily)
  std::int64_t stage = 0;       // highest stage reached so far; named by Scene::stage_names()
};

struct StepResult {
  Observation observation;
  double reward = 0.0;
  bool terminated = false;  // the task itself ended
  bool truncated = false;   // the time limit was reached
  StepInfo info;
};

// An instance is used by only one thread at a time.
class ROBOIMI_EXPORT Environment {
 public:
  virtual ~Environment();

  virtual const ObservationSpec& spec() const = 0;
  virtual std::int64_t max_steps() const = 0;  // steps until an episode is truncated

  // Starts an episode and returns its first observation. In a simulator the initial state depends
  // only on `seed`; a robot moves to its start pose and may ignore the seed. Without `render` no
  // image is rendered and the observation contains none.
  virtual Observation reset(std::uint64_t seed, bool render) = 0;
  // Applies the action, float [A], for one control step. Throws Error if the action has another
  // size or is not finite, and if the episode has ended (terminated or truncated) without reset().
  virtual StepResult step(const at::Tensor& action, bool render) = 0;
  // The current observation again, for callers that decide after step() whether they need images.
  virtual Observation observe(bool render) = 0;

  // The simulated scene, valid as long as the environment; nullptr for a robot.
  virtual Scene* scene();
};

}  // namespace roboimi
