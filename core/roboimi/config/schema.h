// The schema of a component's options. The same table checks and reads the YAML, prints
// `roboimi plugins inspect` and generates docs/reference.md. New code declares options by a struct;
// see declare.h.
//
//   Schema schema() {
//     Schema s;
//     s.integer("n_emb", 384, "width of a token").at_least(8);
//     s.number("dropout", 0.0, "dropout probability").range(0.0, 1.0);
//     s.text("loss", "pseudo_huber", "training loss").one_of({"pseudo_huber", "mse"});
//     s.optional_integer("cond_dim", "dimension of the condition; if set, it is checked");
//     s.component("head", ComponentKind::kHead, "action head");
//     return s;
//   }
//
//   Options options = parse_options(node, schema());   // throws Error for the first mistake
//   int64_t width = options.integer("n_emb");
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/config/node.h"

namespace roboimi {

// The kinds of components that a plugin can provide.
enum class ComponentKind {
  kBackbone,
  kHead,
  kAgent,
  kDataset,
  kEpisodeWriter,
  kEnvironment,
  kCommunicator
};

// "backbone", "head", "agent", "dataset", "episode_writer", "environment", "communicator".
ROBOIMI_EXPORT const char* to_string(ComponentKind kind);

enum class OptionType {
  kBoolean,
  kInteger,
  kNumber,
  kText,
  kPath,
  kIntegers,
  kNumbers,
  kTexts,
  kComponent,  // {type: NAME, plugin: FILE (optional), options of NAME...}
  kGroup,      // a nested table with its own schema
};
// "boolean", "integer", "number", "string", "path", "list of integers", "list of numbers", "list of
// strings", "component", "group".
ROBOIMI_EXPORT const char* to_string(OptionType type);

class Schema;

using OptionValue =
    std::variant<std::monostate, bool, std::int64_t, double, std::string, std::vector<std::int64_t>,
                 std::vector<double>, std::vector<std::string>, ConfigNode>;

// One row of the schema. The setters return *this, so that calls can be chained.
class ROBOIMI_EXPORT OptionSpec {
 public:
  std::string key;
  OptionType type = OptionType::kText;
  std::string meaning;
  OptionValue default_value;  // monostate: no default
  bool required = false;      // neither optional nor with a default
  std::string unit;
  double minimum = -std::numeric_limits<double>::infinity();
  double maximum = std::numeric_limits<double>::infinity();
  std::vector<std::string> choices;
  ComponentKind component_kind = ComponentKind::kBackbone;
  bool in_cache_keys = true;
  std::vector<Schema> group;  // one element for kGroup

  OptionSpec& range(double low, double high);  // inclusive; in lists, for every element
  OptionSpec& at_least(double low);
  OptionSpec& with_unit(std::string name);
  OptionSpec& one_of(std::vector<std::string> names);
  // For an option that changes neither the rows of a dataset nor the features of a backbone: caches
  // stay valid if it changes.
  OptionSpec& not_in_cache_keys();
};

class ROBOIMI_EXPORT Schema {
 public:
  // Options with a default.
  OptionSpec& boolean(std::string key, bool value, std::string meaning);
  OptionSpec& integer(std::string key, std::int64_t value, std::string meaning);
  OptionSpec& number(std::string key, double value, std::string meaning);
  OptionSpec& text(std::string key, std::string value, std::string meaning);
  OptionSpec& integers(std::string key, std::vector<std::int64_t> value, std::string meaning);
  OptionSpec& numbers(std::string key, std::vector<double> value, std::string meaning);
  OptionSpec& texts(std::string key, std::vector<std::string> value, std::string meaning);
  OptionSpec& group(std::string key, Schema schema, std::string meaning);
  // Optional: the key may be absent or null; see Options::has().
  OptionSpec& optional_integer(std::string key, std::string meaning);
  OptionSpec& optional_number(std::string key, std::string meaning);
  OptionSpec& optional_text(std::string key, std::string meaning);
  OptionSpec& optional_path(std::string key, std::string meaning);
  OptionSpec& optional_component(std::string key, ComponentKind kind, std::string meaning);
  // Required.
  OptionSpec& required_integer(std::string key, std::string meaning);
  OptionSpec& required_text(std::string key, std::string meaning);
  OptionSpec& required_path(std::string key, std::string meaning);
  OptionSpec& required_texts(std::string key, std::string meaning);
  OptionSpec& component(std::string key, ComponentKind kind, std::string meaning);

  const std::vector<OptionSpec>& options() const { return options_; }
  const OptionSpec* find(std::string_view key) const;

 private:
  OptionSpec& add(std::string key, OptionType type, std::string meaning, OptionValue value,
                  bool required);
  std::vector<OptionSpec> options_;
};

// The checked values of options, including defaults. Throws Error for a key that the schema lacks,
// or if it declares a different type.
class ROBOIMI_EXPORT Options {
 public:
  bool has(std::string_view key) const;  // true if there is a value or a default
  bool boolean(std::string_view key) const;
  std::int64_t integer(std::string_view key) const;
  double number(std::string_view key) const;
  const std::string& text(std::string_view key) const;
  const std::vector<std::int64_t>& integers(std::string_view key) const;
  const std::vector<double>& numbers(std::string_view key) const;
  const std::vector<std::string>& texts(std::string_view key) const;
  // The node of a kComponent option, for the registry.
  const ConfigNode& component(std::string_view key) const;
  // The values of a kGroup option.
  const Options& group(std::string_view key) const;

  // The location of the key, or that of the table if the value is a default, for error messages.
  const SourceLocation& location(std::string_view key) const;
  const SourceLocation& location() const { return location_; }
  // Throws Error about the value of `key`, with its location, key and value.
  [[noreturn]] void fail(std::string_view key, const std::string& what, const std::string& expected,
                         const std::string& next = "") const;

  // All values including defaults (components as written). Part of the keys of caches.
  ConfigNode to_node() const;

 private:
  friend ROBOIMI_EXPORT Options parse_options(const ConfigNode&, const Schema&,
                                              std::string_view path);
  const OptionValue& value(std::string_view key) const;

  std::string path_;
  SourceLocation location_;
  std::map<std::string, OptionValue, std::less<>> values_;
  std::map<std::string, SourceLocation, std::less<>> locations_;
  std::map<std::string, Options, std::less<>> groups_;
};

// Reads `node` (a map, or null for all defaults) with `schema`. Ignores the keys `type` and
// `plugin`, which belong to the registry. Errors: unknown key (with the nearest name), missing key,
// wrong type, out of range, not one of the choices; each with file:line:column and the full key,
// which begins with `path` ("agent.head").
ROBOIMI_EXPORT Options parse_options(const ConfigNode& node, const Schema& schema,
                                     std::string_view path = "");

// The candidate with the smallest edit distance to `name`, if it is small enough for a typing
// error.
ROBOIMI_EXPORT std::optional<std::string> nearest_name(std::string_view name,
                                                       const std::vector<std::string>& candidates);

}  // namespace roboimi
