// The datasets that `roboimi data` reads: a folder or file on the command line, with options of
// its dataset component as data.KEY=VALUE.
#pragma once

#include <boost/program_options.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "app/common_options.h"
#include "roboimi/config/node.h"
#include "roboimi/contract/dataset.h"

namespace roboimi::app {

struct DataSource {
  std::filesystem::path path;  // as the component reads it
  std::string type;            // the dataset component
  ConfigNode config;           // its options
  std::shared_ptr<const Dataset> dataset;
  std::vector<std::string> unreadable = {};  // errors about parts that were left out
};

// What to do if parts of the data cannot be read, if the component can leave them out (its option
// `unreadable: skip`).
enum class UnreadableParts { kError, kLeaveOut };

// --type, --plugin-path, --json and --help, which every action of `roboimi data` has.
void add_data_options(boost::program_options::options_description& options);

// Loads the plugins and opens the dataset at `path`. Its format is detected unless --type or
// data.plugin is given. Throws Error for an override that is not data.KEY=VALUE, and what the
// component throws.
DataSource open_data(const std::filesystem::path& path,
                     const boost::program_options::variables_map& values,
                     const std::vector<std::string>& overrides,
                     UnreadableParts parts = UnreadableParts::kError);

// Removes the words that are not overrides and returns them. Throws Error unless their number is at
// least `least` and at most `most`; `usage` is shown.
std::vector<std::string> take_paths(std::vector<std::string>& words, std::size_t least,
                                    std::size_t most, const std::string& usage);

// Sets `KEY` of `node` for each override "PREFIX.KEY=VALUE"; values are YAML. Throws Error for
// another word.
void apply_data_overrides(ConfigNode& node, const std::string& prefix,
                          const std::vector<std::string>& overrides);

}  // namespace roboimi::app
