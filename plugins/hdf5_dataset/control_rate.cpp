#include "plugins/hdf5_dataset/control_rate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "roboimi/common/error.h"
#include "roboimi/common/log.h"

namespace roboimi::hdf5_dataset {
namespace {

constexpr double kTolerance = 0.02;  // relative to the median
constexpr std::size_t kListed = 8;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2.0;
}

Error different_rates(const std::vector<RecordedRate>& rates, double middle) {
  std::vector<std::string> listed;
  for (const RecordedRate& rate : rates) {
    if (std::abs(rate.hz - middle) <= kTolerance * middle) continue;
    listed.push_back(fmt::format("{} {} Hz", rate.file.filename().string(), rate.hz));
  }
  const std::size_t count = listed.size();
  if (count > kListed) {
    listed.resize(kListed);
    listed.push_back(fmt::format("and {} more", count - kListed));
  }
  return Error(
      {.what = "the episodes were recorded at different control rates",
       .where = rates.front().file.parent_path().string(),
       .expected = fmt::format("within {} % of their median, {} Hz", 100.0 * kTolerance, middle),
       .found = fmt::format("{}", fmt::join(listed, ", ")),
       .next = "keep episodes of different rates in different folders, or correct the "
               "attribute control_hz"});
}

double common_control_rate(const std::vector<RecordedRate>& rates) {
  if (rates.empty()) return 0.0;
  std::vector<double> values;
  for (const RecordedRate& rate : rates) values.push_back(rate.hz);
  const double middle = median(values);
  const auto [lowest, highest] = std::minmax_element(values.begin(), values.end());
  if (*lowest == *highest) return middle;
  if (*lowest < (1.0 - kTolerance) * middle || *highest > (1.0 + kTolerance) * middle) {
    throw different_rates(rates, middle);
  }
  logger().info("hdf5_dataset: control rates from {:.4g} to {:.4g} Hz are treated as {:.4g} Hz",
                *lowest, *highest, middle);
  return middle;
}

}  // namespace

double control_rate(const std::vector<RecordedRate>& rates,
                    const std::optional<double>& configured) {
  if (!configured) return common_control_rate(rates);
  for (const RecordedRate& rate : rates) {
    if (std::abs(rate.hz - *configured) <= kTolerance * *configured) continue;
    logger().warn("hdf5_dataset: {}: using data.control_hz, {} Hz, instead of the recorded {} Hz",
                  rate.file.string(), *configured, rate.hz);
    break;
  }
  return *configured;
}

}  // namespace roboimi::hdf5_dataset
