// Reads plain scalars (YAML 1.2 core schema, decimal numbers only). Internal to config.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "roboimi/common/export.h"

namespace roboimi::config {

// true, True, TRUE, false, False, FALSE; `yes` and `on` are strings.
std::optional<bool> read_boolean(std::string_view text);
// Decimal digits with an optional sign; none if the number does not fit into 64 bits.
std::optional<std::int64_t> read_integer(std::string_view text);
// Also accepts integers written as "1e4", "10.0" or "1_000". Exact: nothing is rounded.
ROBOIMI_EXPORT std::optional<std::int64_t> read_whole_number(std::string_view text);
// A finite decimal number: "3", "-1.5", ".5", "1e-4".
std::optional<double> read_number(std::string_view text);
// "null", "~" or the empty string.
bool reads_as_null(std::string_view text);

// Returns whether a plain scalar is a string for every YAML reader: not a boolean, number or null,
// not even ".inf" or an integer of more than 64 bits.
bool reads_as_text(std::string_view text);

// The shortest decimal number that reads back exactly.
std::string write_number(double value);

// Returns `text` with every `from` replaced by `to`.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

// Convert "${" to "\${", as a literal "${" is written in a config, and back.
ROBOIMI_EXPORT std::string escape_references(std::string_view text);
ROBOIMI_EXPORT std::string unescape_references(std::string_view text);

}  // namespace roboimi::config
