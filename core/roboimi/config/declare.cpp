#include "roboimi/config/declare.h"

#include <utility>

#include "roboimi/common/error.h"

namespace roboimi {

void OptionFields::fail_range(const std::string& key, const std::string& low,
                              const std::string& high) const {
  const std::string expected = low + " to " + high;
  if (options_ != nullptr) options_->fail(key, "out of range", expected);
  throw Error({.what = "the default is out of range",
               .where = "option '" + key + "'",
               .expected = expected,
               .next = "fix the component's default"});
}

OptionSpec& OptionFields::boolean(std::string key, bool& value, std::string meaning) {
  if (schema_ != nullptr) return schema_->boolean(std::move(key), value, std::move(meaning));
  value = options_->boolean(key);
  return unused_;
}

OptionSpec& OptionFields::integer(std::string key, std::int64_t& value, std::string meaning) {
  if (schema_ != nullptr) return schema_->integer(std::move(key), value, std::move(meaning));
  value = options_->integer(key);
  return unused_;
}

OptionSpec& OptionFields::number(std::string key, double& value, std::string meaning) {
  if (schema_ != nullptr) return schema_->number(std::move(key), value, std::move(meaning));
  value = options_->number(key);
  return unused_;
}

OptionSpec& OptionFields::text(std::string key, std::string& value, std::string meaning) {
  if (schema_ != nullptr) return schema_->text(std::move(key), value, std::move(meaning));
  value = options_->text(key);
  return unused_;
}

OptionSpec& OptionFields::path(std::string key, std::filesystem::path& value, std::string meaning) {
  std::string text = value.string();
  OptionSpec& spec = this->text(std::move(key), text, std::move(meaning));
  spec.type = OptionType::kPath;
  value = text;
  return spec;
}

OptionSpec& OptionFields::integers(std::string key, std::vector<std::int64_t>& value,
                                   std::string meaning) {
  if (schema_ != nullptr) return schema_->integers(std::move(key), value, std::move(meaning));
  value = options_->integers(key);
  return unused_;
}

OptionSpec& OptionFields::numbers(std::string key, std::vector<double>& value,
                                  std::string meaning) {
  if (schema_ != nullptr) return schema_->numbers(std::move(key), value, std::move(meaning));
  value = options_->numbers(key);
  return unused_;
}

OptionSpec& OptionFields::texts(std::string key, std::vector<std::string>& value,
                                std::string meaning) {
  if (schema_ != nullptr) return schema_->texts(std::move(key), value, std::move(meaning));
  value = options_->texts(key);
  return unused_;
}

OptionSpec& OptionFields::integer(std::string key, std::optional<std::int64_t>& value,
                                  std::string meaning) {
  if (schema_ != nullptr) return schema_->optional_integer(std::move(key), std::move(meaning));
  value.reset();
  if (options_->has(key)) value = options_->integer(key);
  return unused_;
}

OptionSpec& OptionFields::number(std::string key, std::optional<double>& value,
                                 std::string meaning) {
  if (schema_ != nullptr) return schema_->optional_number(std::move(key), std::move(meaning));
  value.reset();
  if (options_->has(key)) value = options_->number(key);
  return unused_;
}

OptionSpec& OptionFields::text(std::string key, std::optional<std::string>& value,
                               std::string meaning) {
  if (schema_ != nullptr) return schema_->optional_text(std::move(key), std::move(meaning));
  value.reset();
  if (options_->has(key)) value = options_->text(key);
  return unused_;
}

OptionSpec& OptionFields::path(std::string key, std::optional<std::filesystem::path>& value,
                               std::string meaning) {
  if (schema_ != nullptr) return schema_->optional_path(std::move(key), std::move(meaning));
  value.reset();
  if (options_->has(key)) value = options_->text(key);
  return unused_;
}

OptionSpec& OptionFields::optional_text(std::string key, std::string& value, std::string meaning) {
  std::optional<std::string> text;
  OptionSpec& spec = this->text(std::move(key), text, std::move(meaning));
  value = text.value_or("");
  return spec;
}

OptionSpec& OptionFields::optional_path(std::string key, std::string& value, std::string meaning) {
  std::optional<std::filesystem::path> path;
  OptionSpec& spec = this->path(std::move(key), path, std::move(meaning));
  value = path ? path->string() : "";
  return spec;
}

OptionSpec& OptionFields::optional_path(std::string key, std::filesystem::path& value,
                                        std::string meaning) {
  std::optional<std::filesystem::path> path;
  OptionSpec& spec = this->path(std::move(key), path, std::move(meaning));
  value = path.value_or("");
  return spec;
}

OptionSpec& OptionFields::component(std::string key, std::optional<ConfigNode>& value,
                                    ComponentKind kind, std::string meaning) {
  if (schema_ != nullptr) {
    return schema_->optional_component(std::move(key), kind, std::move(meaning));
  }
  value.reset();
  if (options_->has(key)) value = options_->component(key);
  return unused_;
}

OptionSpec& OptionFields::required_text(std::string key, std::string& value, std::string meaning) {
  if (schema_ != nullptr) return schema_->required_text(std::move(key), std::move(meaning));
  value = options_->text(key);
  return unused_;
}

OptionSpec& OptionFields::required_path(std::string key, std::filesystem::path& value,
                                        std::string meaning) {
  if (schema_ != nullptr) return schema_->required_path(std::move(key), std::move(meaning));
  value = options_->text(key);
  return unused_;
}

OptionSpec& OptionFields::required_texts(std::string key, std::vector<std::string>& value,
                                         std::string meaning) {
  if (schema_ != nullptr) return schema_->required_texts(std::move(key), std::move(meaning));
  value = options_->texts(key);
  return unused_;
}

OptionSpec& OptionFields::component(std::string key, ConfigNode& value, ComponentKind kind,
                                    std::string meaning) {
  if (schema_ != nullptr) return schema_->component(std::move(key), kind, std::move(meaning));
  value = options_->component(key);
  return unused_;
}

}  // namespace roboimi
