// Rows of one column of a data file: numbers of a fixed width, or strings.
//
//   DataColumn states(reader, "observation.state", 0, reader.num_rows());
//   at::Tensor rows = states.vectors(14);   // float [N, 14]
//
// A feature of shape [1] is a plain column in some datasets and a column of lists in others. For a
// null, or a list of the wrong length, an Error names the file, the column and the row.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/io/parquet/reader.h"

namespace roboimi::lerobot_dataset {

// The error of a data file that has no column for a feature.
Error missing_column(const parquet::Reader& reader, const std::string& name);

class DataColumn {
 public:
  // Rows [first, first + count). Throws Error if there is no such column.
  DataColumn(const parquet::Reader& reader, const std::string& name, std::int64_t first,
             std::int64_t count);

  std::vector<std::int64_t> integers() const;    // one per row
  std::vector<double> numbers() const;           // one per row
  at::Tensor vectors(std::int64_t width) const;  // float [N, width]

  // The same, but a row that does not fit gets the value 0 and a flag in `is_bad`, which has one
  // for each row.
  std::vector<std::int64_t> integers(std::vector<std::uint8_t>& is_bad) const;
  std::vector<double> numbers(std::vector<std::uint8_t>& is_bad) const;

 private:
  template <typename Number>
  std::vector<Number> one_per_row(std::vector<std::uint8_t>& is_bad) const;
  std::vector<std::int64_t> row_starts() const;
  void check(std::int64_t width) const;
  [[noreturn]] void fail(std::int64_t row, const std::string& expected,
                         const std::string& found) const;

  const parquet::Reader& reader_;
  std::string name_;
  std::int64_t first_, count_;
  bool is_unsigned_ = false;
  parquet::Values values_;
};

}  // namespace roboimi::lerobot_dataset
