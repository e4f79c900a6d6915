// The scale of min_max normalization, for code that measures errors in the same units.
#pragma once

#include <ATen/core/Tensor.h>

#include "roboimi/common/export.h"

namespace roboimi {

// min, max: [D]. Returns (max - min) / 2, [D], with their dtype; 1 where the range is below 1e-4,
// because those dimensions are not scaled.
ROBOIMI_EXPORT at::Tensor half_range(const at::Tensor& min, const at::Tensor& max);

}  // namespace roboimi
