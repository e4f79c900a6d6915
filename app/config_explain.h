// Explains the keys of a config: value, file and line, default, type, range and meaning.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/config/compose.h"
#include "roboimi/config/node.h"
#include "roboimi/config/schema.h"

namespace roboimi::app {

struct ExplainedKey {
  std::string key;                      // dotted
  ConfigNode value;                     // the default if no file sets it; null: no value
  std::optional<SourceLocation> place;  // where it is set; none for a default
  OptionSpec option;
};

// All keys of the config and of its components, in the order of their schemas. Throws Error for an
// unknown key or an invalid value. The registry's plugins must be loaded.
std::vector<ExplainedKey> explain_config(const ComposedConfig& config);

// The keys at `key` and below. Throws Error with the nearest name if there are none.
std::vector<ExplainedKey> keys_at(const std::vector<ExplainedKey>& all, const std::string& key,
                                  const ComposedConfig& config);

std::string explanation_text(const std::vector<ExplainedKey>& keys);
nlohmann::ordered_json explanation_json(const std::vector<ExplainedKey>& keys);

}  // namespace roboimi::app
