// Functions for strings from untrusted sources in messages and pages.
#pragma once

#include <string>
#include <string_view>

#include "roboimi/common/export.h"

namespace roboimi {

// At most about `limit` bytes of `text`, then "...". Everything except printable ASCII and complete
// UTF-8 sequences is shown as \xNN, so that a hostile name cannot move the terminal's cursor.
ROBOIMI_EXPORT std::string printable(std::string_view text, std::size_t limit = 200);

// The text with the characters & < > " ' as HTML entities.
ROBOIMI_EXPORT std::string escape_html(std::string_view text);

// Whether the bytes are valid UTF-8.
ROBOIMI_EXPORT bool is_utf8(std::string_view text);

}  // namespace roboimi
