// The command `roboimi eval --probe`, which measures by linear probes how well a representation
// predicts the state.
#pragma once

#include <boost/program_options.hpp>
#include <string>
#include <vector>

namespace roboimi::app {

// `values` are the options of `eval`; `overrides` change the config given by --config. Returns the
// exit status.
int probe(const boost::program_options::variables_map& values,
          const std::vector<std::string>& overrides);

}  // namespace roboimi::app
