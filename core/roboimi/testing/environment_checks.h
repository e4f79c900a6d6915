// Conformance checks for environments (contract/environment.h), which have gymnasium's semantics.
// If there is a Scene (contract/scene.h), the checks also require that the seed determines the
// episode and that the scene is complete. An environment without a scene may be a real robot: these
// checks are skipped, and so are those that send commands, unless the subject knows a safe one.
#pragma once

#include <memory>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/environment.h"
#include "roboimi/testing/check.h"

namespace roboimi::testing {

class ROBOIMI_EXPORT EnvironmentSubject : public Subject {
 public:
  // Creates another environment with the options under test.
  virtual std::shared_ptr<Environment> make() const = 0;
  // A command, float [A], that keeps `environment` close to where it is. `observation` is that of
  // its last reset(). Default: with a scene, the state if it has the size of an action, otherwise
  // zeros. Without a scene it is undefined, because positions, velocities and steps need different
  // commands; the checks that send commands are then skipped.
  virtual at::Tensor gentle_action(Environment& environment, const Observation& observation) const;
};

ROBOIMI_EXPORT const std::vector<Check<EnvironmentSubject>>& environment_checks();

}  // namespace roboimi::testing
