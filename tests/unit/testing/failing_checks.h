// Which checks of the kit a component fails.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "roboimi/testing/check.h"

namespace roboimi::testing {

template <typename Kind>
std::set<std::string> failing_checks(const std::vector<Check<Kind>>& checks, const Kind& quirks) {
  std::set<std::string> failing;
  for (const Check<Kind>& check : checks) {
    if (run_check<Kind>(check, quirks).status == CheckStatus::kFailed) failing.insert(check.name);
  }
  return failing;
}

}  // namespace roboimi::testing
