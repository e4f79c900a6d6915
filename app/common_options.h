// Functions that the command lines of several subcommands share.
#pragma once

#include <boost/program_options.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "app/commands.h"
#include "roboimi/config/compose.h"

namespace roboimi::app {

// Abbreviations are not allowed: Boost would take --config for --config-dir in a command that has
// only the latter.
inline constexpr int kExactNames = static_cast<int>(
    static_cast<unsigned>(boost::program_options::command_line_style::unix_style) &
    ~static_cast<unsigned>(boost::program_options::command_line_style::allow_guessing));

struct ParsedArguments {
  boost::program_options::variables_map values;
  std::vector<std::string> words;  // words that are not options: overrides, names
};

// Throws Error for an unknown option, with a hint (option_hint.h). Expands `~` in the values of
// options that are paths. The option `resume` may have no value: the word after it is its value if
// it is a run folder, not if it is an override.
ParsedArguments parse_arguments(const Arguments& arguments,
                                const boost::program_options::options_description& options);

// Throws Error unless `folder`, the value of `option`, is new or empty and writable, so that one
// folder never holds the files of two results. Creates nothing.
void require_new_folder(const std::filesystem::path& folder, const std::string& option);

// The values of an option that may be given several times.
std::vector<std::filesystem::path> paths_of(const boost::program_options::variables_map& values,
                                            const std::string& option);

// For a config in a run folder: allows only the libraries that the run recorded and those in plugin
// folders to be opened, unless `trusted`.
void restrict_plugins_of(const ComposedConfig& config, bool trusted);

}  // namespace roboimi::app
