// Declares the options of a struct in one function, which lists the key, member, meaning, range and
// unit of each option. The member initializers of the struct are the defaults.
//
//   struct WindowOptions {
//     std::int64_t width = 8;
//     Edge edge = Edge::kMirror;
//     std::optional<std::int64_t> stride;
//   };
//
//   void declare(OptionFields& fields, WindowOptions& o) {
//     fields.integer("width", o.width, "width of the window").at_least(1).with_unit("pixels");
//     fields.choice("edge", o.edge, {{Edge::kMirror, "mirror"}, {Edge::kZero, "zero"}},
//                   "padding at the edge");
//     fields.integer("stride", o.stride, "distance between windows; default: width").at_least(1);
//   }
//
//   Schema schema = schema_of<WindowOptions>();                    // types, defaults, meanings
//   WindowOptions window = options_from<WindowOptions>(options);   // the values of a config
//
// The function both describes the options and reads them: schema_of() calls it with a struct of
// defaults, options_from() with the struct to fill. It is found by argument-dependent lookup, so
// it must be in the namespace of the struct. It must declare the same keys in both calls.
//
// If the config and the struct differ in form, read the value into a local variable:
//
//     std::vector<double> betas = {o.beta1, o.beta2};
//     fields.numbers("betas", betas, "decay of the two moments").range(0.0, 1.0);
//     fields.when_read([&](const Options& options) {
//       if (betas.size() != 2) options.fail("betas", "must have two values", "two numbers");
//       o.beta1 = betas[0];
//       o.beta2 = betas[1];
//     });
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/config/node.h"
#include "roboimi/config/schema.h"

namespace roboimi {

// The values of an enum, or of another type, with their names in a config.
template <typename Value>
using Choices = std::vector<std::pair<Value, std::string>>;

// The choices of an enum that has a function to_string().
template <typename Value>
Choices<Value> named(std::initializer_list<Value> values) {
  Choices<Value> choices;
  for (const Value value : values) choices.emplace_back(value, to_string(value));
  return choices;
}

// The argument of declare(). Every function declares one option, and returns its row of the schema
// for range(), at_least(), with_unit() and one_of().
class ROBOIMI_EXPORT OptionFields {
 public:
  // For describing: appends each option to `schema`, with the member's value as its default.
  explicit OptionFields(Schema& schema) : schema_(&schema) {}
  // For reading: sets each member to the value of its option.
  explicit OptionFields(const Options& options) : options_(&options) {}

  // Options with a default. A value that the member's type cannot hold is an Error.
  OptionSpec& boolean(std::string key, bool& value, std::string meaning);
  OptionSpec& integer(std::string key, std::int64_t& value, std::string meaning);
  template <std::integral Integer>
  requires(!std::same_as<Integer, bool>) OptionSpec& integer(std::string key, Integer& value,
                                                             std::string meaning) {
    auto wide = static_cast<std::int64_t>(value);
    OptionSpec& spec = integer(key, wide, std::move(meaning));
    if (!std::in_range<Integer>(wide)) fail_range<Integer>(key);
    value = static_cast<Integer>(wide);
    return spec;
  }
  OptionSpec& number(std::string key, double& value, std::string meaning);
  OptionSpec& text(std::string key, std::string& value, std::string meaning);
  OptionSpec& path(std::string key, std::filesystem::path& value, std::string meaning);
  OptionSpec& integers(std::string key, std::vector<std::int64_t>& value, std::string meaning);
  OptionSpec& numbers(std::string key, std::vector<double>& value, std::string meaning);
  OptionSpec& texts(std::string key, std::vector<std::string>& value, std::string meaning);

  // One of several names, which are shown in this order.
  template <typename Value>
  OptionSpec& choice(std::string key, Value& value,
                     const std::type_identity_t<Choices<Value>>& choices, std::string meaning) {
    std::string chosen;
    std::vector<std::string> names;
    for (const auto& [candidate, name] : choices) {
      if (candidate == value) chosen = name;
      names.push_back(name);
    }
    OptionSpec& spec = text(std::move(key), chosen, std::move(meaning)).one_of(std::move(names));
    for (const auto& [candidate, name] : choices) {
      if (name == chosen) value = candidate;
    }
    return spec;
  }

  // Optional: the key may be absent or null.
  OptionSpec& integer(std::string key, std::optional<std::int64_t>& value, std::string meaning);
  OptionSpec& number(std::string key, std::optional<double>& value, std::string meaning);
  OptionSpec& text(std::string key, std::optional<std::string>& value, std::string meaning);
  OptionSpec& path(std::string key, std::optional<std::filesystem::path>& value,
                   std::string meaning);
  // Optional: if the key is absent or null, the string or path is empty.
  OptionSpec& optional_text(std::string key, std::string& value, std::string meaning);
  OptionSpec& optional_path(std::string key, std::string& value, std::string meaning);
  OptionSpec& optional_path(std::string key, std::filesystem::path& value, std::string meaning);
  OptionSpec& component(std::string key, std::optional<ConfigNode>& value, ComponentKind kind,
                        std::string meaning);

  // Required.
  OptionSpec& required_text(std::string key, std::string& value, std::string meaning);
  OptionSpec& required_path(std::string key, std::filesystem::path& value, std::string meaning);
  OptionSpec& required_texts(std::string key, std::vector<std::string>& value, std::string meaning);
  OptionSpec& component(std::string key, ConfigNode& value, ComponentKind kind,
                        std::string meaning);

  // A nested table, whose struct has its own declare().
  template <typename Struct>
  OptionSpec& group(std::string key, Struct& value, std::string meaning) {
    if (options_ != nullptr) {
      OptionFields fields(options_->group(key));
      declare(fields, value);
      return unused_;
    }
    Schema schema;
    OptionFields fields(schema);
    declare(fields, value);
    return schema_->group(std::move(key), std::move(schema), std::move(meaning));
  }

  // Calls `check(options)` only when values are read. All options declared above already have their
  // values, so several of them can be checked together; report errors with Options::fail().
  template <typename Check>
  void when_read(const Check& check) const {
    if (options_ != nullptr) check(*options_);
  }

 private:
  template <typename Integer>
  [[noreturn]] void fail_range(const std::string& key) const {
    fail_range(key, std::to_string(std::numeric_limits<Integer>::min()),
               std::to_string(std::numeric_limits<Integer>::max()));
  }
  // Throws Error about a value, or a default, outside the range of its type.
  [[noreturn]] void fail_range(const std::string& key, const std::string& low,
                               const std::string& high) const;

  Schema* schema_ = nullptr;          // null while reading
  const Options* options_ = nullptr;  // null while describing
  OptionSpec unused_;                 // receives the ranges while reading
};

// The schema of a struct's options.
template <typename Struct>
Schema schema_of() {
  Schema schema;
  OptionFields fields(schema);
  Struct defaults;
  declare(fields, defaults);
  return schema;
}

// The struct with the values of `options`, which must be parsed by schema_of<Struct>().
template <typename Struct>
Struct options_from(const Options& options) {
  OptionFields fields(options);
  Struct made;
  declare(fields, made);
  return made;
}

}  // namespace roboimi
