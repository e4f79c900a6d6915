// The keys that a config may have: those of a schema, of its groups, and of the components that the
// config selects.
//
//   declared_keys(experiment_schema(), root);   // "name", ..., "agent.head.n_emb", ...
//
// Components are looked up in the registry by their `type`; no library of a `plugin:` is loaded.
#pragma once

#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/config/node.h"
#include "roboimi/config/schema.h"

namespace roboimi {

// The keys with dots, in the order of the schemas.
ROBOIMI_EXPORT std::vector<std::string> declared_keys(const Schema& schema, const ConfigNode& root);

}  // namespace roboimi
