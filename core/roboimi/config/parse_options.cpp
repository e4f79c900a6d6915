// Implements parse_options(), which reads a node with a schema.
#include <algorithm>
#include <boost/algorithm/string/trim.hpp>
#include <cctype>
#include <sstream>

#include "roboimi/common/error.h"
#include "roboimi/common/paths.h"
#include "roboimi/common/text.h"
#include "roboimi/config/describe.h"
#include "roboimi/config/did_you_mean.h"
#include "roboimi/config/scalar.h"
#include "roboimi/config/schema.h"

namespace roboimi {
namespace {

using config::join;

std::string join_path(std::string_view path, std::string_view key) {
  return path.empty() ? std::string(key) : std::string(path) + "." + std::string(key);
}

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return text;
}

constexpr const char* kMultirunHint = "--multirun runs each of several values";

std::string range_of(const OptionSpec& spec) {
  const bool low = spec.minimum > -std::numeric_limits<double>::infinity();
  const bool high = spec.maximum < std::numeric_limits<double>::infinity();
  if (low && high) {
    return " from " + config::write_number(spec.minimum) + " to " +
           config::write_number(spec.maximum);
  }
  if (low) return " of at least " + config::write_number(spec.minimum);
  if (high) return " of at most " + config::write_number(spec.maximum);
  return "";
}

// A hint for a string that should be a number.
std::string number_hint(const ConfigNode& node, bool is_integer) {
  if (!node.is_scalar()) return "";
  const std::string& text = node.text();
  if (node.quoted() && config::read_number(text)) return "remove the quotes";
  // Minus signs and dashes of word processors.
  for (const char* sign : {"\u2212", "\u2013", "\u2014", "\uFF0D", "\uFE63"}) {
    if (text.find(sign) != std::string::npos &&
        config::read_number(config::replace_all(text, sign, "-"))) {
      return "write the minus sign as '-'";
    }
  }
  // A decimal comma, or a list of values for a sweep.
  if (text.find(',') == std::string::npos) return "";
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    if (!config::read_number(part)) return "";
  }
  const std::string decimal = config::replace_all(text, ",", ".");
  const bool may_be_decimal = !is_integer && config::read_number(decimal);
  return (may_be_decimal ? "the decimal point is '.', as in " + decimal + "; " : std::string()) +
         kMultirunHint;
}

// A hint for a string that should be one of `choices`.
std::string choice_hint(const std::string& text, const std::vector<std::string>& choices) {
  if (text.find(',') == std::string::npos) return did_you_mean(text, choices);
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    if (std::find(choices.begin(), choices.end(), part) == choices.end()) return "";
  }
  return kMultirunHint;
}

std::string boolean_hint(const ConfigNode& node) {
  if (!node.is_scalar()) return "";
  for (const char* word : {"yes", "on", "y", "1", "true"}) {
    if (lower_case(node.text()) == word) return "write true";
  }
  for (const char* word : {"no", "off", "n", "0", "false"}) {
    if (lower_case(node.text()) == word) return "write false";
  }
  return "";
}

// Reads the value of one option. The functions throw Error with the key `name_` and the location.
class ValueReader {
 public:
  ValueReader(const OptionSpec& spec, std::string name) : spec_(spec), name_(std::move(name)) {}

  OptionValue read(const ConfigNode& node) const {
    switch (spec_.type) {
      case OptionType::kBoolean:
        return read_boolean(node);
      case OptionType::kInteger:
        return read_integer(node);
      case OptionType::kNumber:
        return read_number(node);
      case OptionType::kText:
        return read_text(node);
      case OptionType::kPath:
        return read_path(node);
      case OptionType::kIntegers:
        return read_list<std::int64_t>(node, &ValueReader::read_integer);
      case OptionType::kNumbers:
        return read_list<double>(node, &ValueReader::read_number);
      case OptionType::kTexts:
        return read_list<std::string>(as_list(node), &ValueReader::read_text);
      case OptionType::kComponent:
        return read_component(node);
      case OptionType::kGroup:
        break;
    }
    ROBOIMI_CHECK(false, "a group has no value of its own: " + name_);
    return {};
  }

 private:
  [[noreturn]] void fail(const ConfigNode& node, const std::string& expected,
                         const std::string& next = "") const {
    const std::string unit = spec_.unit.empty() ? "" : " (" + spec_.unit + ")";
    throw Error({.what = "invalid value of '" + name_ + "'",
                 .where = node.location().to_string(),
                 .expected = expected + unit,
                 .found = config::describe(node),
                 .next = next});
  }

  bool read_boolean(const ConfigNode& node) const {
    const bool plain = node.is_scalar() && !node.quoted();
    const auto value = plain ? config::read_boolean(node.text()) : std::nullopt;
    if (!value) fail(node, "true or false", boolean_hint(node));
    return *value;
  }

  std::int64_t read_integer(const ConfigNode& node) const {
    const bool plain = node.is_scalar() && !node.quoted();
    const auto value = plain ? config::read_whole_number(node.text()) : std::nullopt;
    const auto in_range = [&](std::int64_t number) {
      return static_cast<double>(number) >= spec_.minimum &&
             static_cast<double>(number) <= spec_.maximum;
    };
    if (!value || !in_range(*value)) {
      fail(node, "an integer" + range_of(spec_), number_hint(node, /*is_integer=*/true));
    }
    return *value;
  }

  double read_number(const ConfigNode& node) const {
    const bool plain = node.is_scalar() && !node.quoted();
    const auto value = plain ? config::read_number(node.text()) : std::nullopt;
    if (!value || *value < spec_.minimum || *value > spec_.maximum) {
      fail(node, "a finite number" + range_of(spec_), number_hint(node, /*is_integer=*/false));
    }
    return *value;
  }

  // The schema declares a string, so a number needs no quotes.
  std::string read_text(const ConfigNode& node) const {
    if (!node.is_scalar()) fail(node, spec_.type == OptionType::kPath ? "a path" : "a string");
    const std::string text = config::unescape_references(node.text());
    const auto& choices = spec_.choices;
    if (!choices.empty() && std::find(choices.begin(), choices.end(), text) == choices.end()) {
      fail(node, "one of " + join(choices), choice_hint(text, choices));
    }
    return text;
  }

  std::string read_path(const ConfigNode& node) const {
    const std::string text = read_text(node);
    const bool is_line = std::none_of(text.begin(), text.end(), [](char letter) {
      return static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f;
    });
    if (text.empty() || !is_line) fail(node, "a path");
    return absolute_path(text).string();
  }

  // A list of strings may be written as one string: `front,wrist` is [front, wrist]. A quoted
  // string is one element.
  ConfigNode as_list(const ConfigNode& node) const {
    if (!node.is_scalar() || node.text().empty()) return node;
    if (node.quoted()) return ConfigNode::sequence({node}, node.location());
    ConfigNode list = ConfigNode::sequence({}, node.location());
    std::istringstream parts(node.text() + ",");
    for (std::string part; std::getline(parts, part, ',');) {
      boost::algorithm::trim(part);
      if (part.empty()) fail(node, "strings with commas between them");
      list.items().push_back(ConfigNode::scalar(part, node.location()));
    }
    return list;
  }

  template <typename Element>
  std::vector<Element> read_list(const ConfigNode& node,
                                 Element (ValueReader::*read_element)(const ConfigNode&)
                                     const) const {
    if (!node.is_sequence()) {
      const std::string next = node.is_scalar() ? "write [" + printable(node.text()) + "]" : "";
      fail(node, std::string("a ") + to_string(spec_.type), next);
    }
    std::vector<Element> values;
    for (const ConfigNode& item : node.items()) values.push_back((this->*read_element)(item));
    return values;
  }

  ConfigNode read_component(const ConfigNode& node) const {
    if (!node.is_map()) {
      const std::string kind = to_string(spec_.component_kind);
      fail(node, "a table that names the " + kind + ": {type: NAME, ...}",
           node.is_scalar() ? "choose the component with " + name_ + ".type=NAME" : "");
    }
    return node;
  }

  const OptionSpec& spec_;
  std::string name_;
};

void refuse_unknown_keys(const ConfigNode& node, const Schema& schema, std::string_view path) {
  for (const auto& [key, value] : node.entries()) {
    if (key == "type" || key == "plugin" || schema.find(key) != nullptr) continue;
    std::vector<std::string> names;
    for (const OptionSpec& option : schema.options()) names.push_back(option.key);
    throw Error({.what = "unknown key '" + printable(join_path(path, key)) + "'",
                 .where = value.location().to_string(),
                 .expected = names.empty() ? "no options" : "one of " + join(names),
                 .next = did_you_mean(key, names)});
  }
}

// The value of one option, or its default. Null is the same as an absent key if the key is
// optional.
OptionValue read_option(const ConfigNode& table, const ConfigNode* value, const OptionSpec& spec,
                        const std::string& name) {
  const bool has_default = !std::holds_alternative<std::monostate>(spec.default_value);
  // An empty optional path counts as absent: it may come from an environment variable.
  const bool is_empty_path = value != nullptr && spec.type == OptionType::kPath &&
                             value->is_scalar() && value->text().empty() && !has_default;
  const bool is_absent = value == nullptr || (value->is_null() && !has_default) || is_empty_path;
  if (is_absent && !spec.required) {
    if (spec.type != OptionType::kPath || !has_default) return spec.default_value;
    return absolute_path(std::get<std::string>(spec.default_value)).string();
  }
  if (value == nullptr) {
    throw Error({.what = "missing key '" + name + "'",
                 .where = table.location().to_string(),
                 .expected = std::string(to_string(spec.type)) + ": " + spec.meaning});
  }
  return ValueReader(spec, name).read(*value);
}

}  // namespace

Options parse_options(const ConfigNode& node, const Schema& schema, std::string_view path) {
  if (!node.is_map() && !node.is_null()) {
    throw Error(
        {.what = path.empty() ? "invalid value" : "invalid value of '" + std::string(path) + "'",
         .where = node.location().to_string(),
         .expected = "a table of options",
         .found = config::describe(node)});
  }
  refuse_unknown_keys(node, schema, path);
  Options options;
  options.path_ = path;
  options.location_ = node.location();
  for (const OptionSpec& spec : schema.options()) {
    const std::string name = join_path(path, spec.key);
    const ConfigNode* value = node.find(spec.key);
    if (value != nullptr) options.locations_[spec.key] = value->location();
    if (spec.type == OptionType::kGroup) {
      ConfigNode absent;
      absent.set_location(node.location());
      options.groups_.emplace(spec.key,
                              parse_options(value ? *value : absent, spec.group.front(), name));
    } else {
      options.values_[spec.key] = read_option(node, value, spec, name);
    }
  }
  return options;
}

}  // namespace roboimi
