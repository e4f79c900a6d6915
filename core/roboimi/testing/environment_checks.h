// What every Environment keeps to (contract/environment.h): gymnasium's semantics. Where there is a
// Scene (contract/scene.h), also that the seed decides the episode and that the scene is complete.
// Without one those checks are skipped: a robot's world is not drawn from a seed.
#pragma once

#include <memory>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/environment.h"
#include "roboimi/testing/check.h"

namespace roboimi::testing {

class ROBOIMI_EXPORT EnvironmentSubject : public Subject {
 public:
  // One more environment with the options under test.
  virtual std::shared_ptr<Environment> make() const = 0;
};

ROBOIMI_EXPORT const std::vector<Check<EnvironmentSubject>>& environment_checks();

}  // namespace roboimi::testing
