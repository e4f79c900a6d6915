// Runs the conformance kit on a registered component.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "roboimi/config/node.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/testing/check.h"

namespace roboimi::app {

struct ConformanceRun {
  ComponentInfo component;
  ConfigNode options;                // with its `type`
  std::vector<std::string> cameras;  // empty: the kit's own
  std::vector<std::string> skip;     // besides those that the component names itself
  // Called before each check: should the process end in it, this name was the last.
  std::function<void(const std::string& check)> before = {};
};

// The first check is that the component can be made; without that there are no others. Empty for
// kinds that the kit does not know. Error: `skip` names a check that there is not.
std::vector<testing::CheckResult> run_conformance(const ConformanceRun& run);

}  // namespace roboimi::app
