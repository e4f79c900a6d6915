// Typed access to the values that parse_options() has read.
#include "roboimi/common/error.h"
#include "roboimi/config/describe.h"
#include "roboimi/config/scalar.h"
#include "roboimi/config/schema.h"

namespace roboimi {
namespace {

ConfigNode text_node(const std::string& text) {
  return ConfigNode::scalar(config::escape_references(text), {}, !config::reads_as_text(text));
}

struct ToNode {
  ConfigNode operator()(std::monostate) const { return {}; }
  ConfigNode operator()(bool value) const { return ConfigNode::scalar(value ? "true" : "false"); }
  ConfigNode operator()(std::int64_t value) const {
    return ConfigNode::scalar(std::to_string(value));
  }
  ConfigNode operator()(double value) const {
    return ConfigNode::scalar(config::write_number(value));
  }
  ConfigNode operator()(const std::string& value) const { return text_node(value); }
  ConfigNode operator()(const ConfigNode& value) const { return value; }
  template <typename Element>
  ConfigNode operator()(const std::vector<Element>& values) const {
    std::vector<ConfigNode> items;
    for (const Element& value : values) items.push_back((*this)(value));
    return ConfigNode::sequence(std::move(items));
  }
};

// Reports a bug of a component. It must not end the host program.
[[noreturn]] void fail_for_component(const std::string& what, std::string_view key) {
  throw Error({.what = "the component " + what,
               .where = "option '" + std::string(key) + "'",
               .next = "fix the component's code or its schema"});
}

template <typename Type>
const Type& get(const OptionValue& value, std::string_view key) {
  const Type* found = std::get_if<Type>(&value);
  if (found == nullptr) {
    fail_for_component(value.index() == 0
                           ? "reads an option that has no value: call has() first"
                           : "reads an option with a type that differs from its schema",
                       key);
  }
  return *found;
}

}  // namespace

const OptionValue& Options::value(std::string_view key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) fail_for_component("reads an option that its schema lacks", key);
  return found->second;
}

bool Options::has(std::string_view key) const {
  if (groups_.contains(key)) return true;
  return !std::holds_alternative<std::monostate>(value(key));
}

bool Options::boolean(std::string_view key) const { return get<bool>(value(key), key); }

std::int64_t Options::integer(std::string_view key) const {
  return get<std::int64_t>(value(key), key);
}

double Options::number(std::string_view key) const { return get<double>(value(key), key); }

const std::string& Options::text(std::string_view key) const {
  return get<std::string>(value(key), key);
}

const std::vector<std::int64_t>& Options::integers(std::string_view key) const {
  return get<std::vector<std::int64_t>>(value(key), key);
}

const std::vector<double>& Options::numbers(std::string_view key) const {
  return get<std::vector<double>>(value(key), key);
}

const std::vector<std::string>& Options::texts(std::string_view key) const {
  return get<std::vector<std::string>>(value(key), key);
}

const ConfigNode& Options::component(std::string_view key) const {
  return get<ConfigNode>(value(key), key);
}

const Options& Options::group(std::string_view key) const {
  const auto found = groups_.find(key);
  if (found == groups_.end()) fail_for_component("reads a group that its schema lacks", key);
  return found->second;
}

const SourceLocation& Options::location(std::string_view key) const {
  const auto found = locations_.find(key);
  return found == locations_.end() ? location_ : found->second;
}

void Options::fail(std::string_view key, const std::string& what, const std::string& expected,
                   const std::string& next) const {
  const std::string name = path_.empty() ? std::string(key) : path_ + "." + std::string(key);
  std::string found;
  if (!groups_.contains(key) && has(key)) {
    found = config::describe(std::visit(ToNode{}, value(key)));
  }
  throw Error({.what = name + ": " + what,
               .where = location(key).to_string(),
               .expected = expected,
               .found = found,
               .next = next});
}

ConfigNode Options::to_node() const {
  ConfigNode node = ConfigNode::map(location_);
  for (const auto& [key, value] : values_) node.set(key, std::visit(ToNode{}, value));
  for (const auto& [key, group] : groups_) node.set(key, group.to_node());
  return node;
}

}  // namespace roboimi
