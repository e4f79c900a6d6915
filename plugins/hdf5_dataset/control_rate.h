// The control rate of a dataset, from the recorded rates of its episodes.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

namespace roboimi::hdf5_dataset {

struct RecordedRate {
  std::filesystem::path file;
  double hz = 0.0;  // positive and finite
};

// The configured rate, with a warning if a recorded one differs by more than 2 %. Without it, the
// median of the recorded rates, or 0 if there are none. Recorders that measure their rate write
// slightly different values: rates within 2 % of the median are treated as equal, with a log line.
// For larger differences an Error lists the rates with their files.
double control_rate(const std::vector<RecordedRate>& rates,
                    const std::optional<double>& configured);

}  // namespace roboimi::hdf5_dataset
