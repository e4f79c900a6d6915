// What the subcommands' command lines have in common.
#pragma once

#include <boost/program_options.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "app/commands.h"
#include "roboimi/config/compose.h"

namespace roboimi::app {

// Boost would take --config for --config-dir where only that exists.
inline constexpr int kExactNames = static_cast<int>(
    static_cast<unsigned>(boost::program_options::command_line_style::unix_style) &
    ~static_cast<unsigned>(boost::program_options::command_line_style::allow_guessing));

struct ParsedArguments {
  boost::program_options::variables_map values;
  std::vector<std::string> words;  // what is not an option: overrides, names
};

// Error on an unknown option, naming it. `~` in the values that are paths is expanded. An option
// `resume` may have a value or none: the word after it is its value when it is a run's folder, and
// not when it is an override.
ParsedArguments parse_arguments(const Arguments& arguments,
                                const boost::program_options::options_description& options);

// Error unless `folder`, the value of `option`, is new or empty and can be written: two results in
// one folder would be mixed. Creates nothing.
void require_new_folder(const std::filesystem::path& folder, const std::string& option);

// The values of an option that may be given several times.
std::vector<std::filesystem::path> paths_of(const boost::program_options::variables_map& values,
                                            const std::string& option);

// Of a configuration that lies in a run's folder: only the libraries that the run recorded, and
// those in plugin folders, are opened, unless `trusted`.
void restrict_plugins_of(const ComposedConfig& config, bool trusted);

}  // namespace roboimi::app
