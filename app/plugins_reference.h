// Generates the tables of options in documents: docs/reference.md, and the tables in the READMEs of
// plugins.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "roboimi/plugin/registry.h"

namespace roboimi::app {

// docs/reference.md: the sections of an experiment and of a collection, then all components.
std::string reference_document(std::vector<ComponentInfo> components);

// Returns `text` with the table of each component NAME between the lines `<!-- options NAME -->`
// and `<!-- end of options -->`. Throws Error for a missing end line or an unknown NAME; `file` is
// the name of the text in errors.
std::string with_option_tables(const std::string& text, const std::filesystem::path& file,
                               const std::vector<ComponentInfo>& components);

}  // namespace roboimi::app
