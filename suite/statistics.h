// Statistics for the comparison of runs.
#pragma once

#include <cstdint>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

// The p-value of McNemar's exact two-sided test. The arguments count the episodes that only the
// first and only the second of two policies solved. 1 if both are zero.
ROBOIMI_EXPORT double mcnemar_p(std::int64_t first_only, std::int64_t second_only);

struct MeanInterval {
  double mean = 0.0;
  double low = 0.0, high = 0.0;  // 95 %, Student's t; the mean if there is one value
};
// `values` must not be empty.
ROBOIMI_EXPORT MeanInterval mean_interval(const std::vector<double>& values);

}  // namespace roboimi
