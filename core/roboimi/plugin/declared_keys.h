// The keys that a config may have: those of a schema, of its groups, and of the components that the
// config chooses.
//
//   declared_keys(experiment_schema(), root);   // "name", ..., "agent.head.n_emb",
//   "train.max_steps"
//
// A component is one that the registry knows by its `type`; nothing is loaded for a `plugin:`.
#pragma once

#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/config/node.h"
#include "roboimi/config/schema.h"

namespace roboimi {

// Dotted, in the order of the schemas.
ROBOIMI_EXPORT std::vector<std::string> declared_keys(const Schema& schema, const ConfigNode& root);

}  // namespace roboimi
