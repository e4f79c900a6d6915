// The command `roboimi eval --open-loop`, which compares a policy's actions with demonstrations.
#pragma once

#include <boost/program_options.hpp>
#include <string>
#include <vector>

namespace roboimi::app {

// `values` are the options of `eval`; `overrides` change how the checkpoint acts. Returns the exit
// status.
int open_loop(const boost::program_options::variables_map& values,
              const std::vector<std::string>& overrides);

}  // namespace roboimi::app
