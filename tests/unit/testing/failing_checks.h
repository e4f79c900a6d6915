// Test helpers that list the checks a component fails or skips, and find a check by its name.
#pragma once

#include <algorithm>
#include <set>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "roboimi/testing/check.h"

namespace roboimi::testing {

template <typename Kind>
std::set<std::string> checks_that(CheckStatus status, const std::vector<Check<Kind>>& checks,
                                  const std::type_identity_t<Kind>& subject) {
  std::set<std::string> names;
  for (const Check<Kind>& check : checks) {
    if (run_check(check, subject).status == status) names.insert(check.name);
  }
  return names;
}

template <typename Kind>
const Check<Kind>& check_named(const std::vector<Check<Kind>>& checks, const std::string& name) {
  const auto found = std::ranges::find(checks, name, &Check<Kind>::name);
  if (found == checks.end()) throw std::out_of_range("no check " + name);
  return *found;
}

template <typename Kind>
std::set<std::string> failing_checks(const std::vector<Check<Kind>>& checks,
                                     const std::type_identity_t<Kind>& subject) {
  return checks_that(CheckStatus::kFailed, checks, subject);
}

}  // namespace roboimi::testing
