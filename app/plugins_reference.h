// The tables of options in documents: docs/reference.md as a whole, and those in the READMEs of
// plugins.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "roboimi/plugin/registry.h"

namespace roboimi::app {

// docs/reference.md: the sections of an experiment and of a collection, then all components.
std::string reference_document(std::vector<ComponentInfo> components);

// `text` with the table of each component NAME between the lines `<!-- options NAME -->` and
// `<!-- end of options -->`. `file` names it in errors: a line without its end, an unknown NAME.
std::string with_option_tables(const std::string& text, const std::filesystem::path& file,
                               const std::vector<ComponentInfo>& components);

}  // namespace roboimi::app
