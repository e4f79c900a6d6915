// The columns of a Parquet file with their values, collected before the file is written.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "roboimi/io/parquet/writer.h"

namespace roboimi::lerobot_dataset {

struct ColumnTable {
  std::vector<parquet::Column> columns = {};
  std::vector<parquet::Values> values = {};

  void add(parquet::Column column, parquet::Values column_values);
  void add_integers(const std::string& name, std::vector<std::int64_t> numbers);
  void add_texts(const std::string& name, std::vector<std::string> texts);
  // float [L, n]: a list per row, or one number if n is 1.
  void add_vectors(const std::string& name, const at::Tensor& table);

  // One row group. Throws Error if the disk is full.
  void write(const std::filesystem::path& file, parquet::WriterOptions options = {}) const;
};

}  // namespace roboimi::lerobot_dataset
