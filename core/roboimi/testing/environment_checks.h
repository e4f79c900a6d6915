// Conformance checks for environments (contract/environment.h), which have gymnasium's semantics.
// If there is a Scene (contract/scene.h), the checks also require that the seed determines the
// episode and that the scene is complete. Otherwise these checks are skipped, because a real
// robot's world does not depend on a seed.
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
};

ROBOIMI_EXPORT const std::vector<Check<EnvironmentSubject>>& environment_checks();

}  // namespace roboimi::testing
