// A schema as people and programs read it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "roboimi/config/schema.h"

namespace roboimi::app {

// "384", "[front, top]", "required", or "-" for an option that may be left out.
std::string default_text(const OptionSpec& option);
// "from 0 to 1", "one of a, b", or empty.
std::string range_text(const OptionSpec& option);

// "integer [pixels]"; for a component its kind.
std::string type_text(const OptionSpec& option);

// One line an option: key, type, default, range, unit, meaning. Groups are indented below theirs.
std::string option_table(const Schema& schema);
// The same as a table for a document; a group's options are named group.key, or with_groups = false
// left out with their group.
std::string option_markdown(const Schema& schema, bool with_groups = true);
nlohmann::json option_json(const OptionSpec& option);
nlohmann::json option_json(const Schema& schema);  // a list

}  // namespace roboimi::app
