// The demonstrations that `roboimi eval` compares with: the experiment's, or those of --data.
#pragma once

#include <boost/program_options.hpp>
#include <memory>

#include "roboimi/config/node.h"
#include "roboimi/contract/dataset.h"

namespace roboimi::app {

// `config` is an experiment's. Error where it has no section `data`.
std::shared_ptr<const Dataset> demonstrations(const ConfigNode& config,
                                              const boost::program_options::variables_map& values);

// Episodes at the data's end that the experiment keeps out of its training; 0: none.
std::int64_t held_out_in_training(const ConfigNode& config);

}  // namespace roboimi::app
