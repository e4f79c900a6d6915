// Turns parquet::Values into the levels of a column that Writer writes: every list is an optional
// group with a repeated group, every value optional, as pyarrow does it. Internal to io/parquet.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "roboimi/io/parquet/reader.h"

namespace roboimi::parquet {

// The definition level of a value that is not null.
int max_definition_of(const Column& column);

// The number of rows. Throws Error, without a location, if the values do not fit the column: a
// different type or depth, offsets that do not ascend or have the wrong end, null rows with
// elements, text that is not UTF-8.
std::int64_t checked_rows(const Column& column, const Values& values);

// The entries of some rows, and their leaves: elements first_leaf to end_leaf of `values`.
struct Levels {
  std::vector<std::uint32_t> repetition;  // empty without lists
  std::vector<std::uint32_t> definition;
  std::size_t first_leaf = 0;
  std::size_t end_leaf = 0;
};

// Makes the levels of consecutive rows.
class LevelMaker {
 public:
  LevelMaker(const Column& column, const Values& values) : column_(column), values_(values) {}

  // Appends the next row's entries.
  void add_row(Levels& levels);

 private:
  void add(std::size_t depth, std::size_t index, std::uint32_t repetition, Levels& levels);

  const Column& column_;
  const Values& values_;
  std::int64_t row_ = 0;
  std::size_t null_rows_passed_ = 0;
};

}  // namespace roboimi::parquet
