// A reader of Apache Parquet files: columns of numbers, strings and nested lists.
//
//   parquet::Reader table("data/chunk-000/file-000.parquet");
//   const auto states = table.read("observation.state", 0, table.num_rows());
//   const auto& numbers = std::get<std::vector<float>>(states.values);   // 14 per row
//   const auto& rows = states.offsets.at(0);                             // row i: [rows[i],
//   rows[i+1])
//
// The file is mapped, and every length in it is checked before it is used: a damaged file causes an
// Error, never a read out of bounds. Memory is bounded by the requested values plus one page.
//
// Types: BOOLEAN, INT32, INT64, FLOAT, DOUBLE, BYTE_ARRAY, FIXED_LEN_BYTE_ARRAY (as strings),
// FLOAT16 (as floats), and lists of them at any depth. All codecs but LZO, and all encodings of
// values. Pages of version 1 and 2. An Error names any other type (INT96, DECIMAL) or codec when
// such a column is read.
// Format: https://parquet.apache.org/docs/file-format/
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi::parquet {

enum class Type { kBoolean, kInt32, kInt64, kFloat, kDouble, kByteArray, kUnsupported };
ROBOIMI_EXPORT const char* to_string(Type type);  // "BOOLEAN", ..., as in the format

// A leaf column. Members of a struct are separate columns: "image.bytes", "image.path".
struct Column {
  std::string name;  // path of the leaf without the groups that only wrap lists, joined by '.'
  Type type = Type::kInt64;
  std::string type_name;     // as in the file, also for unsupported types
  int list_depth = 0;        // 0: one value per row; 1: a list per row; 2: a list of lists; ...
  bool is_text = false;      // BYTE_ARRAY annotated as UTF-8
  bool is_unsigned = false;  // an integer annotated as unsigned
};

// The values of consecutive rows of one column. Null entries have the value 0 or "".
struct Values {
  // One entry per leaf; booleans are bytes 0 and 1.
  std::variant<std::vector<std::uint8_t>, std::vector<std::int32_t>, std::vector<std::int64_t>,
               std::vector<float>, std::vector<double>, std::vector<std::string>>
      values;
  // For each list level, outermost first: entry i of the level holds the elements
  // [offsets[i], offsets[i + 1]) of the next level, the last level those of `values`.
  std::vector<std::vector<std::int64_t>> offsets;
  // Empty if nothing is null; otherwise one flag per leaf in `values`.
  std::vector<std::uint8_t> is_null;
  // Rows (of list columns) that are null instead of a list, ascending. They have no elements;
  // neither have null lists inside lists.
  std::vector<std::int64_t> null_rows;
};

struct ReaderOptions {
  // The maximum memory for the values of one call of read(). A few bytes of a damaged file can
  // stand for billions of equal values.
  std::int64_t max_bytes = std::int64_t{4} << 30;
};

// Const members are safe to call from several threads at once.
class ROBOIMI_EXPORT Reader {
 public:
  // Reads the footer. Throws Error if the file is not a Parquet file, is a Git LFS pointer, is
  // encrypted, or has no footer because its recording was not closed or a copy was cut short.
  explicit Reader(const std::filesystem::path& file, ReaderOptions options = {});
  ~Reader();
  Reader(Reader&&) noexcept;
  Reader& operator=(Reader&&) noexcept;

  const std::filesystem::path& file() const;
  std::int64_t num_rows() const;
  // First row of every row group, and num_rows() at the end.
  const std::vector<std::int64_t>& row_groups() const;
  const std::vector<Column>& columns() const;
  // nullptr if there is no such column.
  const Column* find(const std::string& name) const;
  // The footer's key-value metadata, such as "pandas" and "ARROW:schema".
  const std::map<std::string, std::string>& metadata() const;

  // Rows [first, first + count) of a column. Only the row groups that hold them are read. Throws
  // Error for an unknown column, rows out of range, damaged or unsupported data, and values that
  // take more than ReaderOptions::max_bytes.
  Values read(const std::string& column, std::int64_t first, std::int64_t count) const;

  // read() for columns of one number or string per row, converted to the type without loss. An
  // Error names the column and the first row that is null or a list, or does not fit.
  std::vector<std::int64_t> read_integers(const std::string& column, std::int64_t first,
                                          std::int64_t count) const;
  std::vector<double> read_numbers(const std::string& column, std::int64_t first,
                                   std::int64_t count) const;
  std::vector<std::string> read_strings(const std::string& column, std::int64_t first,
                                        std::int64_t count) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace roboimi::parquet
