// Options of a struct, declared once: one function gives every option's key, member, meaning, range
// and unit. The struct's member initializers are the defaults.
//
//   struct WindowOptions {
//     std::int64_t width = 8;
//     Edge edge = Edge::kMirror;
//     std::optional<std::int64_t> stride;
//   };
//
//   void declare(OptionFields& fields, WindowOptions& o) {
//     fields.integer("width", o.width, "of the window").at_least(1).with_unit("pixels");
//     fields.choice("edge", o.edge, {{Edge::kMirror, "mirror"}, {Edge::kZero, "zero"}}, "beyond");
//     fields.integer("stride", o.stride, "from window to window; width when left out").at_least(1);
//   }
//
//   Schema schema = schema_of<WindowOptions>();                    // types, defaults, meanings
//   WindowOptions window = options_from<WindowOptions>(options);   // the values of a config
//
// The same function describes the options and reads them: schema_of() calls it on a struct of
// defaults, options_from() on the struct that is to be filled. It is found beside its struct, by
// argument-dependent lookup, and must declare the same keys in both calls.
//
// What a config writes differently from the struct goes through a local variable:
//
//     std::vector<double> betas = {o.beta1, o.beta2};
//     fields.numbers("betas", betas, "decay of the two moments").range(0.0, 1.0);
//     fields.when_read([&](const Options& options) {
//       if (betas.size() != 2) options.fail("betas", "not two decays", "two numbers");
//       o.beta1 = betas[0];
//       o.beta2 = betas[1];
//     });
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/config/node.h"
#include "roboimi/config/schema.h"

namespace roboimi {

// The values of an enum, or of another type, by the names that a config gives them.
template <typename Value>
using Choices = std::vector<std::pair<Value, std::string>>;

// Choices of an enum that has a to_string().
template <typename Value>
Choices<Value> named(std::initializer_list<Value> values) {
  Choices<Value> choices;
  for (const Value value : values) choices.emplace_back(value, to_string(value));
  return choices;
}

// What a declare() function is given. Every member declares one option, and returns its row of the
// schema for range(), at_least(), with_unit() and one_of().
class ROBOIMI_EXPORT OptionFields {
 public:
  // Describes: appends each option to `schema`, with the member's value as its default.
  explicit OptionFields(Schema& schema) : schema_(&schema) {}
  // Reads: sets each member to the option's value.
  explicit OptionFields(const Options& options) : options_(&options) {}

  // With a default.
  OptionSpec& boolean(std::string key, bool& value, std::string meaning);
  OptionSpec& integer(std::string key, std::int64_t& value, std::string meaning);
  template <std::integral Integer>
  requires(!std::same_as<Integer, bool>) OptionSpec& integer(std::string key, Integer& value,
                                                             std::string meaning) {
    auto wide = static_cast<std::int64_t>(value);
    OptionSpec& spec = integer(std::move(key), wide, std::move(meaning));
    value = static_cast<Integer>(wide);
    return spec;
  }
  OptionSpec& number(std::string key, double& value, std::string meaning);
  OptionSpec& text(std::string key, std::string& value, std::string meaning);
  OptionSpec& path(std::string key, std::filesystem::path& value, std::string meaning);
  OptionSpec& integers(std::string key, std::vector<std::int64_t>& value, std::string meaning);
  OptionSpec& numbers(std::string key, std::vector<double>& value, std::string meaning);
  OptionSpec& texts(std::string key, std::vector<std::string>& value, std::string meaning);

  // One of several names, in the order in which they are to be shown.
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

  // May be left out, or null.
  OptionSpec& integer(std::string key, std::optional<std::int64_t>& value, std::string meaning);
  OptionSpec& number(std::string key, std::optional<double>& value, std::string meaning);
  OptionSpec& text(std::string key, std::optional<std::string>& value, std::string meaning);
  OptionSpec& path(std::string key, std::optional<std::filesystem::path>& value,
                   std::string meaning);
  // The same; the string or path then stays empty.
  OptionSpec& optional_text(std::string key, std::string& value, std::string meaning);
  OptionSpec& optional_path(std::string key, std::string& value, std::string meaning);
  OptionSpec& optional_path(std::string key, std::filesystem::path& value, std::string meaning);
  OptionSpec& component(std::string key, std::optional<ConfigNode>& value, ComponentKind kind,
                        std::string meaning);

  // Must be given.
  OptionSpec& required_path(std::string key, std::filesystem::path& value, std::string meaning);
  OptionSpec& required_texts(std::string key, std::vector<std::string>& value, std::string meaning);
  OptionSpec& component(std::string key, ConfigNode& value, ComponentKind kind,
                        std::string meaning);

  // A nested table, whose struct has a declare() of its own.
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

  // Calls `check(options)` when values are read: what has been declared above is then filled in.
  // For checks of several options together, by Options::fail().
  template <typename Check>
  void when_read(const Check& check) const {
    if (options_ != nullptr) check(*options_);
  }

 private:
  Schema* schema_ = nullptr;          // null while reading
  const Options* options_ = nullptr;  // null while describing
  OptionSpec unused_;                 // takes the ranges while reading
};

// The table of a struct's options.
template <typename Struct>
Schema schema_of() {
  Schema schema;
  OptionFields fields(schema);
  Struct defaults;
  declare(fields, defaults);
  return schema;
}

// The struct with the values of `options`, which schema_of<Struct>() has checked.
template <typename Struct>
Struct options_from(const Options& options) {
  OptionFields fields(options);
  Struct made;
  declare(fields, made);
  return made;
}

}  // namespace roboimi
