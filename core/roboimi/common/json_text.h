// JSON as text, for strings that may hold any bytes: names of files, commands, notes of plugins.
// Not installed API.
#pragma once

#include <string>

namespace roboimi {

// `Json` is nlohmann::json or nlohmann::ordered_json. Bytes that are not UTF-8 become U+FFFD, where
// dump() alone would throw.
template <typename Json>
std::string json_text(const Json& json, int indent = 2) {
  return json.dump(indent, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace roboimi
