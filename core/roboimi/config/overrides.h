// Overrides of the command line: `a.b=c`, `+a.b=c`, `++a.b=c`, `~a.b`. Internal to config.
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

  // Returns whether it can be the choice of a group, such as `agent/backbone=NAME` or `train=NAME`.
  bool may_choose_group() const;
  // The number of dots in `a.b.type=NAME`, which chooses a component; the largest integer for any
  // other override.
  int depth_of_type() const;
};

Override parse_override(const std::string& text);

// Changes `root`. The error for an unknown key suggests similar keys of the tree and of `declared`.
void apply_override(ConfigNode& root, const Override& change, const DeclaredKeys& declared);

// Merges the maps of `later` into `base`; other values of `later` replace those of `base`.
void merge_into(ConfigNode& base, const ConfigNode& later);

// The paths of all keys below `root`, with dots, for suggestions.
std::vector<std::string> all_paths(const ConfigNode& root);

}  // namespace roboimi::config
