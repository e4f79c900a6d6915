// What every Environment keeps to (env/environment.h): gymnasium's semantics.
#pragma once

#include <memory>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/environment.h"
#include "roboimi/testing/check.h"

namespace roboimi::testing {

class ROBOIMI_EXPORT EnvironmentQuirks : public Quirks {
 public:
  // One more environment with the options under test.
  virtual std::shared_ptr<Environment> make() const = 0;
};

ROBOIMI_EXPORT const std::vector<Check<EnvironmentQuirks>>& environment_checks();

}  // namespace roboimi::testing
