// A component's options, declared once: the same table parses its YAML, prints `plugins inspect`
// and generates the reference in docs.
//
//   Schema schema() {
//     Schema s;
//     s.integer("n_emb", 384, "width of a token").at_least(8);
//     s.number("dropout", 0.0, "dropout probability").range(0.0, 1.0);
//     s.text("loss", "pseudo_huber", "training loss").one_of({"pseudo_huber", "mse"});
//     s.optional_integer("cond_dim", "numbers a condition step has; checked when given");
//     s.component("head", ComponentKind::kHead, "the action head");
//     return s;
//   }
//
//   Options options = parse_options(node, schema());   // throws Error on the first thing wrong
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

// What a plugin can provide.
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
  kComponent,  // {type: NAME, plugin: FILE (optional), NAME's own options...}
  kGroup,      // a nested table with a schema of its own
};
ROBOIMI_EXPORT const char* to_string(OptionType type);

class Schema;

using OptionValue =
    std::variant<std::monostate, bool, std::int64_t, double, std::string, std::vector<std::int64_t>,
                 std::vector<double>, std::vector<std::string>, ConfigNode>;

// One row of the table. The setters return *this, to be chained onto the declaration.
class ROBOIMI_EXPORT OptionSpec {
 public:
  std::string key;
  OptionType type = OptionType::kText;
  std::string meaning;
  OptionValue default_value;  // monostate: none
  bool required = false;      // no default, and not optional
  std::string unit;
  double minimum = -std::numeric_limits<double>::infinity();
  double maximum = std::numeric_limits<double>::infinity();
  std::vector<std::string> choices;
  ComponentKind component_kind = ComponentKind::kBackbone;
  std::vector<Schema> group;  // one element for kGroup

  OptionSpec& range(double low, double high);  // inclusive; for lists, of every element
  OptionSpec& at_least(double low);
  OptionSpec& with_unit(std::string name);
  OptionSpec& one_of(std::vector<std::string> names);
};

class ROBOIMI_EXPORT Schema {
 public:
  // With a default.
  OptionSpec& boolean(std::string key, bool value, std::string meaning);
  OptionSpec& integer(std::string key, std::int64_t value, std::string meaning);
  OptionSpec& number(std::string key, double value, std::string meaning);
  OptionSpec& text(std::string key, std::string value, std::string meaning);
  OptionSpec& integers(std::string key, std::vector<std::int64_t> value, std::string meaning);
  OptionSpec& numbers(std::string key, std::vector<double> value, std::string meaning);
  OptionSpec& texts(std::string key, std::vector<std::string> value, std::string meaning);
  OptionSpec& group(std::string key, Schema schema, std::string meaning);
  // May be absent or null; Options::has() tells.
  OptionSpec& optional_integer(std::string key, std::string meaning);
  OptionSpec& optional_number(std::string key, std::string meaning);
  OptionSpec& optional_text(std::string key, std::string meaning);
  OptionSpec& optional_path(std::string key, std::string meaning);
  OptionSpec& optional_component(std::string key, ComponentKind kind, std::string meaning);
  // Must be given.
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

// Validated values, defaults filled in. Asking for a key that the schema lacks, or as another type,
// is a broken invariant and aborts.
class ROBOIMI_EXPORT Options {
 public:
  bool has(std::string_view key) const;  // a value or a default is there
  bool boolean(std::string_view key) const;
  std::int64_t integer(std::string_view key) const;
  double number(std::string_view key) const;
  const std::string& text(std::string_view key) const;
  const std::vector<std::int64_t>& integers(std::string_view key) const;
  const std::vector<double>& numbers(std::string_view key) const;
  const std::vector<std::string>& texts(std::string_view key) const;
  // The node of a kComponent option, to be given to the registry.
  const ConfigNode& component(std::string_view key) const;
  // A kGroup's values.
  const Options& group(std::string_view key) const;

  // Where the key was written, or where the table was when it is a default: for error texts.
  const SourceLocation& location(std::string_view key) const;
  const SourceLocation& location() const { return location_; }
  // An Error about the value of `key`: its place, the key, and what it found, filled in.
  [[noreturn]] void fail(std::string_view key, const std::string& what, const std::string& expected,
                         const std::string& next = "") const;

  // All values with defaults, as YAML (component nodes as given): part of cache keys.
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

// Reads `node` (a map, or null for all defaults) by `schema`. The keys `type` and `plugin` are the
// registry's and are passed over. Errors: unknown key with the nearest known name, missing key,
// wrong type, out of range, not one of the choices; each with file:line:column and the dotted key
// under `path` ("agent.head").
ROBOIMI_EXPORT Options parse_options(const ConfigNode& node, const Schema& schema,
                                     std::string_view path = "");

// The candidate with the smallest edit distance to `name`, when it is near enough to be a slip.
ROBOIMI_EXPORT std::optional<std::string> nearest_name(std::string_view name,
                                                       const std::vector<std::string>& candidates);

}  // namespace roboimi
