// Conversion between the two sets of names that the transformers library has used for ViTModel's
// parameters.
#pragma once

#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

// "encoder.layer.3.attention.attention.query.weight" (4.x) -> "layers.3.attention.q_proj.weight"
// (5.x). Other names are returned unchanged.
ROBOIMI_EXPORT std::string to_transformers5_name(const std::string& name);

// The inverse, for tests and for writing 4.x files.
ROBOIMI_EXPORT std::string to_transformers4_name(const std::string& name);

}  // namespace roboimi
