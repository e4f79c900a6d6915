#include "suite/statistics.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

// The 97.5th percentile of Student's t for 1, 2, ... degrees of freedom; for more, that of the
// normal distribution.
constexpr double kStudent[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306,
                               2.262,  2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
                               2.110,  2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064,
                               2.060,  2.056, 2.052, 2.048, 2.045, 2.042};
constexpr double kNormal = 1.960;

}  // namespace

double mcnemar_p(std::int64_t first_only, std::int64_t second_only) {
  const auto n = static_cast<double>(first_only + second_only);
  if (n == 0.0) return 1.0;
  // The lower tail of a binomial with p = 1/2. In logarithms, because factorials overflow.
  double tail = 0.0;
  for (std::int64_t k = 0; k <= std::min(first_only, second_only); ++k) {
    const auto i = static_cast<double>(k);
    tail += std::exp(std::lgamma(n + 1) - std::lgamma(i + 1) - std::lgamma(n - i + 1) -
                     n * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

MeanInterval mean_interval(const std::vector<double>& values) {
  ROBOIMI_CHECK(!values.empty(), "no values");
  const auto n = static_cast<double>(values.size());
  double sum = 0.0;
  for (const double value : values) sum += value;
  const double mean = sum / n;
  if (values.size() == 1) return {mean, mean, mean};
  double squares = 0.0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const std::size_t freedom = values.size() - 1;
  const double t = freedom <= std::size(kStudent) ? kStudent[freedom - 1] : kNormal;
  const double half = t * std::sqrt(squares / static_cast<double>(freedom) / n);
  return {mean, mean - half, mean + half};
}

}  // namespace roboimi
