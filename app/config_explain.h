// What every key of a config is: its value, where that was written, and what its schema says of it.
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
  ConfigNode value;                     // with the default; null: none
  std::optional<SourceLocation> place;  // where it was written; none: it is the default
  OptionSpec option;
};

// Every key of the config and of the components that it chooses, in the order of their schemas.
// Error for what the schemas refuse. The registry's plugins must be loaded.
std::vector<ExplainedKey> explain_config(const ComposedConfig& config);

// Those at `key` and below. Error with the nearest name when there is none.
std::vector<ExplainedKey> keys_at(const std::vector<ExplainedKey>& all, const std::string& key,
                                  const ComposedConfig& config);

std::string explanation_text(const std::vector<ExplainedKey>& keys);
nlohmann::ordered_json explanation_json(const std::vector<ExplainedKey>& keys);

}  // namespace roboimi::app
