// Conversion of JSON to a string, for values that may contain any bytes: file names, commands,
// notes of plugins; and a limit for JSON of untrusted files. Internal; not installed.
#pragma once

#include <string>

namespace roboimi {

// `Json` is nlohmann::json or nlohmann::ordered_json. Bytes that are not UTF-8 become U+FFFD;
// plain dump() would throw.
template <typename Json>
std::string json_text(const Json& json, int indent = 2) {
  return json.dump(indent, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

// For Json::parse(): leaves out values that are nested more deeply than those of any format.
// Printing and walking JSON recurses, so a small file of brackets could exhaust the stack.
//
//   const auto json = nlohmann::json::parse(text, is_shallow<nlohmann::json>);
template <typename Json>
bool is_shallow(int depth, typename Json::parse_event_t /*event*/, Json& /*value*/) {
  constexpr int kDeepest = 64;
  return depth <= kDeepest;
}

}  // namespace roboimi
