// A program that loads the policy of a run and runs it for one episode in the run's environment.
#include <iostream>

#include "roboimi/common/error.h"
#include "roboimi/contract/environment.h"
#include "roboimi/deploy/policy.h"
#include "roboimi/plugin/registry.h"

int main(int argc, char** argv) try {
  if (argc != 3) throw roboimi::Error("usage: act RUN PLUGIN_FOLDER");
  const auto policy = roboimi::load_policy(argv[1], {.plugin_dirs = {argv[2]}});
  const auto robot = roboimi::Registry::instance().create<roboimi::Environment>(
      *policy->config().find("env"), "env");
  robot->reset(3, false);
  policy->reset(3, roboimi::Policy::kUnknownCommand);
  for (bool over = false; !over;) {
    const roboimi::Observation observation = robot->observe(policy->needs_images());
    const roboimi::StepResult result = robot->step(policy->act(observation).action, false);
    over = result.terminated || result.truncated;
  }
  std::cout << "acted " << policy->report().steps << " steps\n";
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
