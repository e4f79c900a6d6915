// The two ways in which transformers has named ViTModel's parameters.
#pragma once

#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

// "encoder.layer.3.attention.attention.query.weight" (4.x) -> "layers.3.attention.q_proj.weight"
// (5.x). A name that is no 4.x name is returned as it is.
ROBOIMI_EXPORT std::string to_transformers5_name(const std::string& name);

// The inverse, for the tests and for writers of 4.x files.
ROBOIMI_EXPORT std::string to_transformers4_name(const std::string& name);

}  // namespace roboimi
