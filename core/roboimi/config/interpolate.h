// Resolves references such as `${a.b}`, `${env:NAME}` and `${file:PATH}`. Internal to config.
#pragma once

#include "roboimi/config/compose.h"
#include "roboimi/config/node.h"

namespace roboimi::config {

// The tree with all references replaced; `\${` is kept. A value that consists of one reference
// becomes a copy of the value referred to, of any kind. If it refers to an option that is declared
// but not set, its own key is removed, so that both options have their defaults. A reference that
// is part of a string must be a scalar. Errors: unknown references, cycles (shown as a chain),
// unset variables, and trees that become too large.
ConfigNode interpolate(const ConfigNode& root, const DeclaredKeys& declared = nullptr);

}  // namespace roboimi::config
