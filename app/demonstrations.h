// The demonstrations of `roboimi eval --open-loop` and `--probe`, with the option --data.
#pragma once

#include <boost/program_options.hpp>
#include <filesystem>
#include <memory>
#include <optional>

#include "roboimi/checkpoint/loaded_run.h"

namespace roboimi::app {

// The value of --data, which replaces the experiment's own data; none if it is not given.
std::optional<std::filesystem::path> other_data(
    const boost::program_options::variables_map& values);

// The data of the run, or `other` in the run's format, or else in the format that its files have.
std::shared_ptr<const Dataset> open_demonstrations(
    const LoadedRun& run, const std::optional<std::filesystem::path>& other);

}  // namespace roboimi::app
