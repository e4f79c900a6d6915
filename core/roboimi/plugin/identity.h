// The identity of a configured component: everything that its results depend on, except its
// weights. Used in the keys of caches.
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
  std::string options = {};  // resolved, as YAML; paths are replaced by hashes of file contents
};

// The identity of the component that the registry selects for `node`, which may be a substitute
// from its `plugin:`. It is the same for a resolved copy of the node. The paths of a dataset are
// left out, because its files are identified by Dataset::files().
ROBOIMI_EXPORT ComponentIdentity component_identity(Registry& registry, ComponentKind kind,
                                                    const ConfigNode& node,
                                                    const std::string& path);

// The identity of the component that computes an agent's features: its `backbone`, or the agent
// itself if it has no section `backbone`.
ROBOIMI_EXPORT ComponentIdentity feature_identity(Registry& registry, const ConfigNode& agent);

}  // namespace roboimi
