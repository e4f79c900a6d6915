// Runs the conformance kit on a registered component.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "roboimi/config/node.h"
#include "roboimi/contract/observation.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/testing/check.h"

namespace roboimi::app {

struct ConformanceRun {
  ComponentInfo component;
  ConfigNode options;                // with its `type`
  std::vector<std::string> cameras;  // cameras of the data; empty: those of the kit
  std::vector<StreamSpec> streams;   // added to those of the kit, or replacing them by name
  std::vector<std::string> skip;  // checks to skip, in addition to those that the component names
  // Called before each check. If a check ends the process, it is the one named last.
  std::function<void(const std::string& check)> before = {};
};

// The first check creates the component; if it fails, no other check runs. Empty for kinds without
// checks. Error if `skip` names an unknown check.
std::vector<testing::CheckResult> run_conformance(const ConformanceRun& run);

}  // namespace roboimi::app
