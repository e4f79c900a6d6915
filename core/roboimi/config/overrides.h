// What the command line changes: `a.b=c`, `+a.b=c`, `++a.b=c`, `~a.b`. Internal to config.
#pragma once

#include <string>
#include <vector>

#include "roboimi/config/compose.h"
#include "roboimi/config/node.h"

namespace roboimi::config {

struct Override {
  enum class Action { kChange, kAdd, kChangeOrAdd, kRemove };

  Action action = Action::kChange;
  std::string text;  // as given
  std::string key;   // "a.b", or "agent/backbone"
  ConfigNode value;  // null for kRemove

  // `agent/backbone=NAME`, `train=NAME`: whether it can be the choice of a group.
  bool may_choose_group() const;
};

Override parse_override(const std::string& text);

// Changes `root`. The error for an unknown key names the nearest one, of the tree or of `declared`.
void apply_override(ConfigNode& root, const Override& change, const DeclaredKeys& declared);

// A later tree over an earlier one, map by map; everything else is replaced.
void merge_into(ConfigNode& base, const ConfigNode& later);

// The dotted paths of all keys below `root`, for suggestions.
std::vector<std::string> all_paths(const ConfigNode& root);

}  // namespace roboimi::config
