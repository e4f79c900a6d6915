// What min_max normalisation divides by, for all who measure in its units.
#pragma once

#include <ATen/core/Tensor.h>

#include "roboimi/common/export.h"

namespace roboimi {

// Half of max - min, of their type; 1 where max - min is below 1e-4, which is not scaled.
ROBOIMI_EXPORT at::Tensor half_range(const at::Tensor& min, const at::Tensor& max);

}  // namespace roboimi
