// The scale of min_max normalization, for code that measures errors in the same units.
#pragma once

#include <ATen/core/Tensor.h>

#include "roboimi/common/export.h"

namespace roboimi {

// (max - min) / 2, with their dtype; 1 where max - min is below 1e-4, which is not scaled.
ROBOIMI_EXPORT at::Tensor half_range(const at::Tensor& min, const at::Tensor& max);

}  // namespace roboimi
