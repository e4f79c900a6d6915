// The names of element types as safetensors writes them ("F32", "BF16", "BOOL").
#pragma once

#include <c10/core/ScalarType.h>

#include <optional>
#include <string>
#include <string_view>

#include "roboimi/common/export.h"

namespace roboimi {

// Empty when libtorch has no such type.
ROBOIMI_EXPORT std::optional<c10::ScalarType> dtype_from_name(std::string_view name);

// Error for a type that safetensors cannot hold (quantised ones).
ROBOIMI_EXPORT std::string dtype_name(c10::ScalarType dtype);

// "BOOL, F16, ...", for error messages.
ROBOIMI_EXPORT std::string all_dtype_names();

}  // namespace roboimi
