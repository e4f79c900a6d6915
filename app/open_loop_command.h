// `roboimi eval --open-loop`: how far a policy's commands are from demonstrations.
#pragma once

#include <boost/program_options.hpp>
#include <string>
#include <vector>

namespace roboimi::app {

// `values` of eval's options; `overrides` change how the checkpoint acts. Returns the exit status.
int open_loop(const boost::program_options::variables_map& values,
              const std::vector<std::string>& overrides);

}  // namespace roboimi::app
