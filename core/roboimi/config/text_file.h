// Reads the text of a config file, as saved by editors on any system. Internal to config.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace roboimi::config {

// The UTF-8 text without a byte order mark. Throws Error for another encoding (UTF-16, UTF-32,
// Latin-1), with the first line that shows it, and for a file that is too large.
std::string read_config_text(const std::filesystem::path& file);

// A hint for a syntax error at `line` (from 1) that tabs may have caused; else empty.
std::string tab_hint(std::string_view text, int line);

}  // namespace roboimi::config
