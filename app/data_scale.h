// The values of a dataset's vectors, and the scale of each of their dimensions, for the rules of
// `roboimi data info`.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace roboimi::app {

// A vector stream, or the actions, of all episodes.
struct DataTable {
  std::string name;
  std::vector<std::string> element_names;
  std::vector<at::Tensor> episodes;  // double [L, D]; undefined if the episode cannot be read
};

// The values of one dimension over all episodes.
struct DimensionScale {
  double min = 0.0, max = 0.0;
  double median_step = 0.0;  // of the steps other than 0
  bool has_values = false;
  bool has_two_levels = false;  // it dwells at two values
};

double value_at(const at::Tensor& values, std::int64_t row, std::int64_t column);
// The change from the row before, without its sign.
double step_at(const at::Tensor& values, std::int64_t row, std::int64_t column);

std::int64_t width_of(const DataTable& table);
DimensionScale scale_of(const DataTable& table, std::int64_t column);

}  // namespace roboimi::app
