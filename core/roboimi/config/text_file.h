// The text of a config file as editors of all systems save it. Internal to config.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace roboimi::config {

// The UTF-8 text, without a byte order mark. Error naming any other encoding (UTF-16, UTF-32,
// Latin-1) and the line that shows it, and a file too large for a config.
std::string read_config_text(const std::filesystem::path& file);

// What to do where a syntax error at `line` (from 1) may come from an indentation by tabs; else
// empty.
std::string tab_hint(std::string_view text, int line);

}  // namespace roboimi::config
