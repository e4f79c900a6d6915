#include "app/option_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <type_traits>

namespace roboimi::app {
namespace {

struct Row {
  std::string key, type, value, range, meaning;
};

// The rows of a schema, and of its groups after `prefix_of(group)`.
template <typename Prefix>
void add_rows(const Schema& schema, const std::string& prefix, const Prefix& prefix_of,
              std::vector<Row>& rows, bool with_groups = true) {
  for (const OptionSpec& option : schema.options()) {
    if (!with_groups && option.type == OptionType::kGroup) continue;
    rows.push_back({prefix + option.key, type_text(option), default_text(option),
                    range_text(option), option.meaning});
    for (const Schema& group : option.group) {
      add_rows(group, prefix_of(prefix, option.key), prefix_of, rows);
    }
  }
}

// Escapes '|', which would end the cell of a table.
std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) {
    text.insert(at, 1, '\\');
  }
  return text;
}

// Null if there is no default; a list stays a list.
nlohmann::json default_json(const OptionSpec& option) {
  return std::visit(
      [](const auto& value) -> nlohmann::json {
        using Value = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<Value, std::monostate> || std::is_same_v<Value, ConfigNode>) {
          return nullptr;
        } else {
          return value;
        }
      },
      option.default_value);
}

}  // namespace

std::string default_text(const OptionSpec& option) {
  if (option.required) return "required";
  return std::visit(
      [](const auto& value) -> std::string {
        using Value = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<Value, std::monostate> || std::is_same_v<Value, ConfigNode>) {
          return "-";
        } else if constexpr (std::is_same_v<Value, std::string>) {
          return value.empty() ? "''" : value;
        } else {
          return fmt::format("{}", value);
        }
      },
      option.default_value);
}

std::string range_text(const OptionSpec& option) {
  if (!option.choices.empty()) return fmt::format("one of {}", fmt::join(option.choices, ", "));
  const bool low = std::isfinite(option.minimum), high = std::isfinite(option.maximum);
  if (low && high) return fmt::format("from {} to {}", option.minimum, option.maximum);
  if (low) return fmt::format("at least {}", option.minimum);
  if (high) return fmt::format("at most {}", option.maximum);
  return "";
}

std::string type_text(const OptionSpec& option) {
  std::string text = to_string(option.type);
  if (option.type == OptionType::kComponent) text = to_string(option.component_kind);
  return option.unit.empty() ? text : text + " [" + option.unit + "]";
}

std::string option_table(const Schema& schema) {
  std::vector<Row> rows = {{"option", "type", "default", "range", "meaning"}};
  const auto indented = [](const std::string& prefix, const std::string&) { return prefix + "  "; };
  add_rows(schema, "", indented, rows);
  std::size_t key = 0, type = 0, value = 0, range = 0;
  for (const Row& row : rows) {
    key = std::max(key, row.key.size());
    type = std::max(type, row.type.size());
    value = std::max(value, row.value.size());
    range = std::max(range, row.range.size());
  }
  std::string text;
  for (const Row& row : rows) {
    text += fmt::format("  {:<{}}  {:<{}}  {:<{}}  {:<{}}  {}\n", row.key, key, row.type, type,
                        row.value, value, row.range, range, row.meaning);
  }
  return text;
}

std::string option_markdown(const Schema& schema, bool with_groups) {
  std::vector<Row> rows;
  const auto dotted = [](const std::string& prefix, const std::string& key) {
    return prefix + key + ".";
  };
  add_rows(schema, "", dotted, rows, with_groups);
  if (rows.empty()) return "No options.\n";
  std::string text = "| option | type | default | range | meaning |\n|---|---|---|---|---|\n";
  for (const Row& row : rows) {
    text += fmt::format("| `{}` | {} | {} | {} | {} |\n", row.key, cell(row.type), cell(row.value),
                        cell(row.range), cell(row.meaning));
  }
  return text;
}

nlohmann::json option_json(const OptionSpec& option) {
  nlohmann::json row = {{"key", option.key},
                        {"type", to_string(option.type)},
                        {"required", option.required},
                        {"default", default_json(option)},
                        {"meaning", option.meaning}};
  if (!option.unit.empty()) row["unit"] = option.unit;
  if (!option.choices.empty()) row["choices"] = option.choices;
  if (std::isfinite(option.minimum)) row["minimum"] = option.minimum;
  if (std::isfinite(option.maximum)) row["maximum"] = option.maximum;
  if (option.type == OptionType::kComponent) row["kind"] = to_string(option.component_kind);
  if (!option.group.empty()) row["options"] = option_json(option.group.front());
  return row;
}

nlohmann::json option_json(const Schema& schema) {
  auto table = nlohmann::json::array();
  for (const OptionSpec& option : schema.options()) table.push_back(option_json(option));
  return table;
}

}  // namespace roboimi::app
