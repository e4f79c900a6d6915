// How the text of a plain scalar is read (YAML 1.2 core schema, decimal only). Internal to config.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "roboimi/common/export.h"

namespace roboimi::config {

// true, True, TRUE, false, False, FALSE; `yes` and `on` are texts.
std::optional<bool> read_boolean(std::string_view text);
// Decimal digits with a sign; nothing when it does not fit into 64 bits.
std::optional<std::int64_t> read_integer(std::string_view text);
// The same, and an integer written in another way: "1e4", "10.0", "1_000". Exact: no rounding.
ROBOIMI_EXPORT std::optional<std::int64_t> read_whole_number(std::string_view text);
// A finite decimal number: "3", "-1.5", ".5", "1e-4".
std::optional<double> read_number(std::string_view text);
// "null", "~" or nothing at all.
bool reads_as_null(std::string_view text);

// Whether a plain scalar of this text can only be a text: no boolean, number or null, not even
// ".inf" or an integer beyond 64 bits.
bool reads_as_text(std::string_view text);

// The shortest decimal that reads back as the same number.
std::string write_number(double value);

// `text` with every `from` replaced by `to`.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

// "\${" <-> "${": how a literal dollar brace is written in a config.
ROBOIMI_EXPORT std::string escape_references(std::string_view text);
ROBOIMI_EXPORT std::string unescape_references(std::string_view text);

}  // namespace roboimi::config
