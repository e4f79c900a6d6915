#include "plugins/lerobot_dataset/column_table.h"

#include <ATen/ATen.h>

#include <utility>

namespace roboimi::lerobot_dataset {

using parquet::Type;

void ColumnTable::add(parquet::Column column, parquet::Values column_values) {
  columns.push_back(std::move(column));
  values.push_back(std::move(column_values));
}

void ColumnTable::add_integers(const std::string& name, std::vector<std::int64_t> numbers) {
  add({.name = name, .type = Type::kInt64}, {.values = std::move(numbers)});
}

void ColumnTable::add_texts(const std::string& name, std::vector<std::string> texts) {
  add({.name = name, .type = Type::kByteArray, .is_text = true}, {.values = std::move(texts)});
}

void ColumnTable::add_vectors(const std::string& name, const at::Tensor& table) {
  const at::Tensor rows = table.to(at::kFloat).contiguous();
  const auto* first = rows.const_data_ptr<float>();
  parquet::Values numbers{.values = std::vector<float>(first, first + rows.numel())};
  const std::int64_t width = rows.size(1);
  const bool are_lists = width != 1;
  if (are_lists) {
    std::vector<std::int64_t> offsets;
    for (std::int64_t row = 0; row <= rows.size(0); ++row) offsets.push_back(row * width);
    numbers.offsets = {std::move(offsets)};
  }
  add({.name = name, .type = Type::kFloat, .list_depth = are_lists ? 1 : 0}, std::move(numbers));
}

void ColumnTable::write(const std::filesystem::path& file, parquet::WriterOptions options) const {
  parquet::Writer writer(file, columns, std::move(options));
  writer.add_row_group(values);
  writer.close();
}

}  // namespace roboimi::lerobot_dataset
