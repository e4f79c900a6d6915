// Which checks of the kit a component fails.
#pragma once

#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "roboimi/testing/check.h"

namespace roboimi::testing {

template <typename Kind>
std::set<std::string> failing_checks(const std::vector<Check<Kind>>& checks,
                                     const std::type_identity_t<Kind>& quirks) {
  std::set<std::string> failing;
  for (const Check<Kind>& check : checks) {
    if (run_check(check, quirks).status == CheckStatus::kFailed) failing.insert(check.name);
  }
  return failing;
}

}  // namespace roboimi::testing
