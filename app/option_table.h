// Prints a schema for readers and for programs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "roboimi/config/schema.h"

namespace roboimi::app {

// "384", "[front, top]", "required", or "-" for an optional option without a default.
std::string default_text(const OptionSpec& option);
// "from 0 to 1", "one of a, b", or empty.
std::string range_text(const OptionSpec& option);

// "integer [pixels]"; for a component, its kind.
std::string type_text(const OptionSpec& option);

// One line per option: key, type and unit, default, range, meaning. Options of a group are indented
// below it.
std::string option_table(const Schema& schema);
// The same as a Markdown table. Options of a group are named group.key; with_groups = false omits
// groups and their options.
std::string option_markdown(const Schema& schema, bool with_groups = true);
nlohmann::json option_json(const OptionSpec& option);
nlohmann::json option_json(const Schema& schema);  // a list

}  // namespace roboimi::app
