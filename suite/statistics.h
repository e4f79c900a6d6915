// The figures by which runs are compared.
#pragma once

#include <cstdint>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

// McNemar's exact two-sided p-value: of episodes that exactly one of two policies solved,
// `first_only` and `second_only`. 1 when there are none.
ROBOIMI_EXPORT double mcnemar_p(std::int64_t first_only, std::int64_t second_only);

struct MeanInterval {
  double mean = 0.0;
  double low = 0.0, high = 0.0;  // 95 %, by Student's t; both the mean for a single value
};
// `values` is not empty.
ROBOIMI_EXPORT MeanInterval mean_interval(const std::vector<double>& values);

}  // namespace roboimi
