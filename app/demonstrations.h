// Selects the demonstrations for `roboimi eval --open-loop` and `--probe`.
#pragma once

#include <boost/program_options.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "roboimi/config/node.h"

namespace roboimi::app {

// The value of --data, which replaces the experiment's own data; none if it is not given.
std::optional<std::filesystem::path> other_data(
    const boost::program_options::variables_map& values);

// Number of episodes at the end of the data that the experiment holds out of training.
std::int64_t held_out_in_training(const ConfigNode& config);

}  // namespace roboimi::app
