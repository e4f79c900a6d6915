#include "roboimi/config/describe.h"

#include "roboimi/common/text.h"
#include "roboimi/config/scalar.h"
#include "roboimi/config/schema.h"

namespace roboimi::config {
namespace {

std::string describe_scalar(const ConfigNode& node) {
  const std::string text = "'" + printable(node.text()) + "'";
  // Mention the quotes only if they make a string of a number, boolean or null.
  return node.quoted() && !reads_as_text(node.text()) ? "the quoted string " + text : text;
}

std::string describe_sequence(const ConfigNode& node) {
  if (node.items().empty()) return "an empty list";
  std::string text;
  for (const ConfigNode& item : node.items()) {
    if (!item.is_scalar()) return "a list of " + std::to_string(node.items().size());
    text += (text.empty() ? "" : ", ") + item.text();
  }
  return "[" + printable(text) + "]";
}

std::string describe_map(const ConfigNode& node) {
  if (node.entries().empty()) return "an empty table";
  std::string keys;
  for (const auto& [key, value] : node.entries()) keys += (keys.empty() ? "" : ", ") + key;
  return "a table with the keys " + printable(keys);
}

}  // namespace

std::string describe(const ConfigNode& node) {
  switch (node.kind()) {
    case ConfigNode::Kind::kNull:
      return "null";
    case ConfigNode::Kind::kScalar:
      return describe_scalar(node);
    case ConfigNode::Kind::kSequence:
      return describe_sequence(node);
    case ConfigNode::Kind::kMap:
      return describe_map(node);
  }
  return "an unknown value";
}

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace roboimi::config
