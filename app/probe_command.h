// `roboimi eval --probe`: how much a representation tells, by linear probes.
#pragma once

#include <boost/program_options.hpp>
#include <string>
#include <vector>

namespace roboimi::app {

// `values` of eval's options; `overrides` change the experiment named by --config. Returns the exit
// status.
int probe(const boost::program_options::variables_map& values,
          const std::vector<std::string>& overrides);

}  // namespace roboimi::app
