// Writes a ConfigNode as JSON, for programs.
#include <nlohmann/json.hpp>

#include "roboimi/common/json_text.h"
#include "roboimi/config/node.h"
#include "roboimi/config/scalar.h"

namespace roboimi {
namespace {

using Json = nlohmann::ordered_json;

Json scalar_to_json(const ConfigNode& node) {
  if (!node.quoted()) {
    if (const auto value = config::read_boolean(node.text())) return *value;
    if (const auto value = config::read_integer(node.text())) return *value;
    if (const auto value = config::read_number(node.text())) return *value;
  }
  return node.text();
}

Json convert(const ConfigNode& node) {
  switch (node.kind()) {
    case ConfigNode::Kind::kNull:
      break;
    case ConfigNode::Kind::kScalar:
      return scalar_to_json(node);
    case ConfigNode::Kind::kSequence: {
      Json list = Json::array();
      for (const ConfigNode& item : node.items()) list.push_back(convert(item));
      return list;
    }
    case ConfigNode::Kind::kMap: {
      Json table = Json::object();
      for (const auto& [key, value] : node.entries()) table[key] = convert(value);
      return table;
    }
  }
  return nullptr;
}

}  // namespace

std::string ConfigNode::to_json() const {
  // json_text() replaces bytes that are not UTF-8 by U+FFFD instead of throwing.
  return json_text(convert(*this));
}

}  // namespace roboimi
