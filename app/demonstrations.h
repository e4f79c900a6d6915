// The option --data of `roboimi eval --open-loop` and `--probe`.
#pragma once

#include <boost/program_options.hpp>
#include <filesystem>
#include <optional>

namespace roboimi::app {

// The value of --data, which replaces the experiment's own data; none if it is not given.
std::optional<std::filesystem::path> other_data(
    const boost::program_options::variables_map& values);

}  // namespace roboimi::app
