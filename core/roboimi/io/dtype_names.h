// Conversion between dtypes and their names in safetensors ("F32", "BF16", "BOOL").
#pragma once

#include <c10/core/ScalarType.h>

#include <optional>
#include <string>
#include <string_view>

#include "roboimi/common/export.h"

namespace roboimi {

// Returns nullopt if libtorch has no such dtype.
ROBOIMI_EXPORT std::optional<c10::ScalarType> dtype_from_name(std::string_view name);

// Throws Error for a dtype that safetensors cannot hold (quantized ones).
ROBOIMI_EXPORT std::string dtype_name(c10::ScalarType dtype);

// "BOOL, F16, ...", for error messages.
ROBOIMI_EXPORT std::string all_dtype_names();

}  // namespace roboimi
