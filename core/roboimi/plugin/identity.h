// What a configured component is: the part of a cache's key that its numbers depend on beside its
// weights.
//
//   ComponentIdentity identity =
//       component_identity(registry, ComponentKind::kBackbone, node, "agent.backbone");
#pragma once

#include <string>

#include "roboimi/common/export.h"
#include "roboimi/config/node.h"
#include "roboimi/config/schema.h"

namespace roboimi {

class Registry;

struct ComponentIdentity {
  std::string component;     // "backbone 'my_backbone' of plugin 'my'", for errors too
  std::string build = {};    // the plugin's version and the SHA-256 of its library
  std::string options = {};  // resolved, as YAML; a path stands for the contents of its file
};

// Of the component that the registry takes for `node`, a substitution by `plugin:` included. The
// same for a resolved copy of the node. A dataset's paths are left out, since its files are told by
// Dataset::files().
ROBOIMI_EXPORT ComponentIdentity component_identity(Registry& registry, ComponentKind kind,
                                                    const ConfigNode& node,
                                                    const std::string& path);

// What gives an agent's features: its `backbone` section, or all of an agent's that has none.
ROBOIMI_EXPORT ComponentIdentity feature_identity(Registry& registry, const ConfigNode& agent);

}  // namespace roboimi
