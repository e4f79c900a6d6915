// The options of `roboimi eval`, and the checks of them that need no checkpoint.
#pragma once

#include <boost/program_options.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace roboimi::app {

extern const char* const kEvalUsage;
boost::program_options::options_description eval_options();

// The value of an integer option. Error if it is less than `low`.
std::int64_t at_least(const boost::program_options::variables_map& values, const char* option,
                      std::int64_t low);

// Error for a value that rollouts cannot have, and for options that exclude each other.
void check_rollout_options(const boost::program_options::variables_map& values);

// How the episodes share the machine.
struct Parallelism {
  std::int64_t together = 1;  // episodes that a process runs at a time
  std::int64_t workers = 1;   // threads of the one process if together > 1, else processes
};

// Defaults that the options do not give depend on the device. Error if the environment has no scene
// and the options ask for several episodes at a time, because a robot runs one.
Parallelism parallelism(const boost::program_options::variables_map& values, bool has_scene);

// The name of an evaluation's folder, "step_00050000_seed_1000_episodes_100". It ends with the
// options and overrides that differ from a plain evaluation.
std::string evaluation_name(const boost::program_options::variables_map& values,
                            const std::vector<std::string>& overrides, std::int64_t step);

}  // namespace roboimi::app
