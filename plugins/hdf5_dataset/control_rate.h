// The control rate of a dataset from those that its episodes were recorded at.
#pragma once

#include <filesystem>
#include <vector>

namespace roboimi::hdf5_dataset {

struct RecordedRate {
  std::filesystem::path file;
  double hz = 0.0;  // positive and finite
};

// Their median, 0 where there are none. Recorders that measure their rate write slightly different
// ones: within 2 % of the median they are one rate, and a line of the log says so. Beyond that an
// Error lists them with their files.
double common_control_rate(const std::vector<RecordedRate>& rates);

}  // namespace roboimi::hdf5_dataset
