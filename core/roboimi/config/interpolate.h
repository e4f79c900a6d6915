// `${a.b}`, `${env:NAME}`, `${env:NAME,default}`. Internal to config.
#pragma once

#include "roboimi/config/node.h"

namespace roboimi::config {

// The tree with every reference replaced; `\${` stays as it is. A value that is nothing but a
// reference becomes a copy of what it names, of any kind; inside a text only scalars fit. Errors:
// unknown references, cycles (shown as a chain), unset variables, and trees that grow without end.
ConfigNode interpolate(const ConfigNode& root);

}  // namespace roboimi::config
