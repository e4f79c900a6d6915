#include "roboimi/config/schema.h"

#include <algorithm>

#include "roboimi/common/error.h"

namespace roboimi {

const char* to_string(ComponentKind kind) {
  switch (kind) {
    case ComponentKind::kBackbone:
      return "backbone";
    case ComponentKind::kHead:
      return "head";
    case ComponentKind::kAgent:
      return "agent";
    case ComponentKind::kDataset:
      return "dataset";
    case ComponentKind::kEpisodeWriter:
      return "episode_writer";
    case ComponentKind::kEnvironment:
      return "environment";
    case ComponentKind::kCommunicator:
      return "communicator";
  }
  return "unknown";
}

const char* to_string(OptionType type) {
  switch (type) {
    case OptionType::kBoolean:
      return "boolean";
    case OptionType::kInteger:
      return "integer";
    case OptionType::kNumber:
      return "number";
    case OptionType::kText:
      return "string";
    case OptionType::kPath:
      return "path";
    case OptionType::kIntegers:
      return "list of integers";
    case OptionType::kNumbers:
      return "list of numbers";
    case OptionType::kTexts:
      return "list of strings";
    case OptionType::kComponent:
      return "component";
    case OptionType::kGroup:
      return "group";
  }
  return "unknown";
}

OptionSpec& OptionSpec::range(double low, double high) {
  if (!(low <= high)) {
    throw Error({.what = "the schema's range of '" + key + "' is empty",
                 .expected = "a lower limit that is not above the upper one"});
  }
  minimum = low;
  maximum = high;
  return *this;
}

OptionSpec& OptionSpec::at_least(double low) {
  minimum = low;
  return *this;
}

OptionSpec& OptionSpec::with_unit(std::string name) {
  unit = std::move(name);
  return *this;
}

OptionSpec& OptionSpec::one_of(std::vector<std::string> names) {
  choices = std::move(names);
  return *this;
}

OptionSpec& OptionSpec::not_in_cache_keys() {
  in_cache_keys = false;
  return *this;
}

OptionSpec& Schema::add(std::string key, OptionType type, std::string meaning, OptionValue value,
                        bool required) {
  if (find(key) != nullptr) {
    throw Error({.what = "the schema declares '" + key + "' twice", .next = "rename one of them"});
  }
  if (key == "type" || key == "plugin") {
    throw Error({.what = "the schema declares '" + key + "', which is reserved for components",
                 .next = "rename the option"});
  }
  OptionSpec spec;
  spec.key = std::move(key);
  spec.type = type;
  spec.meaning = std::move(meaning);
  spec.default_value = std::move(value);
  spec.required = required;
  return options_.emplace_back(std::move(spec));
}

const OptionSpec* Schema::find(std::string_view key) const {
  const auto found = std::find_if(options_.begin(), options_.end(),
                                  [&](const OptionSpec& option) { return option.key == key; });
  return found == options_.end() ? nullptr : &*found;
}

OptionSpec& Schema::boolean(std::string key, bool value, std::string meaning) {
  return add(std::move(key), OptionType::kBoolean, std::move(meaning), value, false);
}

OptionSpec& Schema::integer(std::string key, std::int64_t value, std::string meaning) {
  return add(std::move(key), OptionType::kInteger, std::move(meaning), value, false);
}

OptionSpec& Schema::number(std::string key, double value, std::string meaning) {
  return add(std::move(key), OptionType::kNumber, std::move(meaning), value, false);
}

OptionSpec& Schema::text(std::string key, std::string value, std::string meaning) {
  return add(std::move(key), OptionType::kText, std::move(meaning), std::move(value), false);
}

OptionSpec& Schema::integers(std::string key, std::vector<std::int64_t> value,
                             std::string meaning) {
  return add(std::move(key), OptionType::kIntegers, std::move(meaning), std::move(value), false);
}

OptionSpec& Schema::numbers(std::string key, std::vector<double> value, std::string meaning) {
  return add(std::move(key), OptionType::kNumbers, std::move(meaning), std::move(value), false);
}

OptionSpec& Schema::texts(std::string key, std::vector<std::string> value, std::string meaning) {
  return add(std::move(key), OptionType::kTexts, std::move(meaning), std::move(value), false);
}

OptionSpec& Schema::group(std::string key, Schema schema, std::string meaning) {
  OptionSpec& spec = add(std::move(key), OptionType::kGroup, std::move(meaning), {}, false);
  spec.group.push_back(std::move(schema));
  return spec;
}

OptionSpec& Schema::optional_integer(std::string key, std::string meaning) {
  return add(std::move(key), OptionType::kInteger, std::move(meaning), {}, false);
}

OptionSpec& Schema::optional_number(std::string key, std::string meaning) {
  return add(std::move(key), OptionType::kNumber, std::move(meaning), {}, false);
}

OptionSpec& Schema::optional_text(std::string key, std::string meaning) {
  return add(std::move(key), OptionType::kText, std::move(meaning), {}, false);
}

OptionSpec& Schema::optional_path(std::string key, std::string meaning) {
  return add(std::move(key), OptionType::kPath, std::move(meaning), {}, false);
}

OptionSpec& Schema::optional_component(std::string key, ComponentKind kind, std::string meaning) {
  OptionSpec& spec = add(std::move(key), OptionType::kComponent, std::move(meaning), {}, false);
  spec.component_kind = kind;
  return spec;
}

OptionSpec& Schema::required_integer(std::string key, std::string meaning) {
  return add(std::move(key), OptionType::kInteger, std::move(meaning), {}, true);
}

OptionSpec& Schema::required_text(std::string key, std::string meaning) {
  return add(std::move(key), OptionType::kText, std::move(meaning), {}, true);
}

OptionSpec& Schema::required_path(std::string key, std::string meaning) {
  return add(std::move(key), OptionType::kPath, std::move(meaning), {}, true);
}

OptionSpec& Schema::required_texts(std::string key, std::string meaning) {
  return add(std::move(key), OptionType::kTexts, std::move(meaning), {}, true);
}

OptionSpec& Schema::component(std::string key, ComponentKind kind, std::string meaning) {
  OptionSpec& spec = add(std::move(key), OptionType::kComponent, std::move(meaning), {}, true);
  spec.component_kind = kind;
  return spec;
}

}  // namespace roboimi
