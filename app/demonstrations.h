// Which demonstrations `roboimi eval` compares with.
#pragma once

#include <boost/program_options.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "roboimi/config/node.h"

namespace roboimi::app {

// --data, where it is given: other demonstrations than the experiment's.
std::optional<std::filesystem::path> other_data(
    const boost::program_options::variables_map& values);

// Episodes at the data's end that the experiment keeps out of its training; 0: none.
std::int64_t held_out_in_training(const ConfigNode& config);

}  // namespace roboimi::app
