#include "app/config_explain.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/config_schema.h"
#include "app/option_table.h"
#include "roboimi/common/error.h"
#include "roboimi/common/text.h"
#include "roboimi/config/did_you_mean.h"
#include "roboimi/plugin/registry.h"
#include "roboimi/train/experiment.h"

namespace roboimi::app {
namespace {

class Explainer {
 public:
  // Adds the options of a table, of its groups and of its components. `node` is the table as
  // written; `prefix` is empty or ends with a dot.
  void add(const Schema& schema, const Options& options, const ConfigNode& node,
           const std::string& prefix) {
    const ConfigNode values = options.to_node();
    for (const OptionSpec& option : schema.options()) {
      const ConfigNode* written = node.find(option.key);
      const std::string key = prefix + option.key;
      if (option.type == OptionType::kGroup) {
        add(option.group.front(), options.group(option.key),
            written != nullptr ? *written : ConfigNode(), key + ".");
      } else if (option.type == OptionType::kComponent && options.has(option.key)) {
        add_component(option, options.component(option.key), key);
      } else {
        add_row(key, *values.find(option.key), written, option);
      }
    }
  }

  std::vector<ExplainedKey> rows;

 private:
  void add_row(const std::string& key, const ConfigNode& value, const ConfigNode* written,
               const OptionSpec& option) {
    std::optional<SourceLocation> place;
    if (written != nullptr) place = written->location();
    rows.push_back({.key = key, .value = value, .place = place, .option = option});
  }

  // Adds `type` and `plugin`, which select the component, then the component's own options.
  void add_component(const OptionSpec& option, const ConfigNode& node, const std::string& key) {
    Registry& registry = Registry::instance();
    const ComponentKind kind = option.component_kind;
    const ComponentInfo component = registry.selected(kind, node, key);
    const ConfigNode own = registry.resolved(kind, node, key);
    OptionSpec type{.key = "type", .meaning = option.meaning + ": " + component.description};
    type.required = true;
    add_row(key + ".type", ConfigNode::scalar(component.name), node.find("type"), type);
    if (const ConfigNode* plugin = own.find("plugin")) {
      add_row(key + ".plugin", *plugin, plugin,
              {.key = "plugin", .type = OptionType::kPath, .meaning = "library of the component"});
    }
    add(component.schema, registry.options_of(kind, node, key), own, key + ".");
  }
};

// A value on one line.
std::string value_text(const ConfigNode& value) {
  if (value.is_null()) return "none";
  if (value.is_scalar()) return value.text().empty() ? "''" : value.text();
  std::string text = value.to_yaml();
  text.erase(text.find_last_not_of('\n') + 1);
  return text;
}

std::string place_text(const ExplainedKey& row) {
  return row.place ? row.place->to_string() : "default";
}

}  // namespace

std::vector<ExplainedKey> explain_config(const ComposedConfig& config) {
  const Schema schema = schema_of_config(config.root);
  const bool collects = config.root.find("writer") != nullptr;
  Explainer explainer;
  explainer.add(schema,
                collects ? parse_options(config.root, schema) : experiment_options(config.root),
                config.root, "");
  return std::move(explainer.rows);
}

std::vector<ExplainedKey> keys_at(const std::vector<ExplainedKey>& all, const std::string& key,
                                  const ComposedConfig& config) {
  std::vector<ExplainedKey> found;
  std::vector<std::string> names;
  for (const ExplainedKey& row : all) {
    if (row.key == key || row.key.starts_with(key + ".")) found.push_back(row);
    // Also suggest names of sections.
    for (std::size_t dot = row.key.find('.'); dot != std::string::npos;
         dot = row.key.find('.', dot + 1)) {
      const std::string section = row.key.substr(0, dot);
      if (names.empty() || std::find(names.begin(), names.end(), section) == names.end()) {
        names.push_back(section);
      }
    }
    names.push_back(row.key);
  }
  if (!found.empty()) return found;
  throw Error({.what = "unknown key '" + printable(key) + "'",
               .where = config.file.string(),
               .expected = "a key of the config or of its components",
               .next = did_you_mean(key, names, "without a key, all keys are printed")});
}

std::string explanation_text(const std::vector<ExplainedKey>& keys) {
  std::string text;
  for (const ExplainedKey& row : keys) {
    const OptionSpec& option = row.option;
    const std::string range = range_text(option);
    text += fmt::format("{}: {}\n", row.key, value_text(row.value));
    text += fmt::format("  set in   {}\n", place_text(row));
    text += fmt::format("  default  {}\n", default_text(option));
    text += fmt::format("  type     {}{}{}\n", type_text(option), range.empty() ? "" : ", ", range);
    text += fmt::format("  meaning  {}\n", option.meaning);
  }
  return text;
}

nlohmann::ordered_json explanation_json(const std::vector<ExplainedKey>& keys) {
  using Json = nlohmann::ordered_json;
  Json all = Json::array();
  for (const ExplainedKey& row : keys) {
    Json json = {{"key", row.key}, {"value", Json::parse(row.value.to_json())}};
    json["set_in"] = row.place ? Json(row.place->to_string()) : Json(nullptr);
    const nlohmann::json declared = option_json(row.option);
    for (const auto& [name, value] : declared.items()) {
      if (name != "key") json[name] = value;
    }
    all.push_back(std::move(json));
  }
  return all;
}

}  // namespace roboimi::app
