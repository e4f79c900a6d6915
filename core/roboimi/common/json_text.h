// Conversion of JSON to a string, for values that may contain any bytes: file names, commands,
// notes of plugins. Internal; not installed.
#pragma once

#include <string>

namespace roboimi {

// `Json` is nlohmann::json or nlohmann::ordered_json. Bytes that are not UTF-8 become U+FFFD;
// plain dump() would throw.
template <typename Json>
std::string json_text(const Json& json, int indent = 2) {
  return json.dump(indent, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace roboimi
