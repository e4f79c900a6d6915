#include "roboimi/io/parquet/column_levels.h"

#include <algorithm>

#include "roboimi/common/text.h"
#include "roboimi/io/parquet/bytes.h"
#include "roboimi/io/parquet/column_reader.h"

namespace roboimi::parquet {
namespace {

std::size_t leaves_of(const Values& values) {
  return std::visit([](const auto& items) { return items.size(); }, values.values);
}

// Offsets start at 0, ascend and end at the number of entries of the next level.
void check_offsets(const std::vector<std::int64_t>& offsets, std::size_t next) {
  const bool is_sorted = std::is_sorted(offsets.begin(), offsets.end());
  if (offsets.empty() || offsets.front() != 0 || !is_sorted ||
      offsets.back() != static_cast<std::int64_t>(next)) {
    fail("the offsets of the lists do not fit the values",
         "ascending offsets from 0 to " + std::to_string(next));
  }
}

void check_null_rows(const Values& values, std::int64_t rows) {
  std::int64_t previous = -1;
  for (const std::int64_t row : values.null_rows) {
    if (row <= previous || row >= rows || values.offsets.empty()) {
      fail("null_rows is not an ascending list of rows with lists", "", std::to_string(row));
    }
    const auto i = static_cast<std::size_t>(row);
    if (values.offsets[0][i] != values.offsets[0][i + 1]) {
      fail("a null row has elements", "", "row " + std::to_string(row));
    }
    previous = row;
  }
}

void check_text(const std::vector<std::string>& texts) {
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (!is_utf8(texts[i])) {
      fail("a string is not UTF-8, but the column is text", "", printable(texts[i], 40),
           "write a column of bytes: is_text = false");
    }
  }
}

}  // namespace

int max_definition_of(const Column& column) { return 2 * column.list_depth + 1; }

std::int64_t checked_rows(const Column& column, const Values& values) {
  if (empty_values(column).values.index() != values.values.index()) {
    fail("the type of the values differs from that of the column", to_string(column.type));
  }
  if (values.offsets.size() != static_cast<std::size_t>(column.list_depth)) {
    fail("the depth of the values' lists differs from that of the column",
         std::to_string(column.list_depth), std::to_string(values.offsets.size()));
  }
  const std::size_t leaves = leaves_of(values);
  for (std::size_t i = 0; i < values.offsets.size(); ++i) {
    const bool is_last = i + 1 == values.offsets.size();
    const std::size_t next = is_last ? leaves + 1 : values.offsets[i + 1].size();
    check_offsets(values.offsets[i], next == 0 ? 0 : next - 1);
  }
  if (!values.is_null.empty() && values.is_null.size() != leaves) {
    fail("is_null and the values differ in length", std::to_string(leaves),
         std::to_string(values.is_null.size()));
  }
  const std::size_t rows = values.offsets.empty() ? leaves : values.offsets[0].size() - 1;
  check_null_rows(values, static_cast<std::int64_t>(rows));
  if (column.is_text) check_text(std::get<std::vector<std::string>>(values.values));
  return static_cast<std::int64_t>(rows);
}

void LevelMaker::add_row(Levels& levels) {
  const auto row = static_cast<std::size_t>(row_);
  const bool is_null =
      null_rows_passed_ < values_.null_rows.size() && values_.null_rows[null_rows_passed_] == row_;
  ++row_;
  if (!is_null) return add(0, row, 0, levels);
  ++null_rows_passed_;
  levels.repetition.push_back(0);
  levels.definition.push_back(0);
}

// Entry `index` of the lists at `depth`, or of the values below the last list.
void LevelMaker::add(std::size_t depth, std::size_t index, std::uint32_t repetition,
                     Levels& levels) {
  const bool has_lists = !values_.offsets.empty();
  const auto definition = static_cast<std::uint32_t>(2 * depth + 1);
  if (depth == values_.offsets.size()) {
    const bool is_null = !values_.is_null.empty() && values_.is_null[index] != 0;
    if (has_lists) levels.repetition.push_back(repetition);
    levels.definition.push_back(is_null ? definition - 1 : definition);
    levels.end_leaf = index + 1;
    return;
  }
  const auto begin = static_cast<std::size_t>(values_.offsets[depth][index]);
  const auto end = static_cast<std::size_t>(values_.offsets[depth][index + 1]);
  if (begin == end) {
    levels.repetition.push_back(repetition);
    levels.definition.push_back(definition);
  }
  for (std::size_t i = begin; i < end; ++i) {
    add(depth + 1, i, i == begin ? repetition : static_cast<std::uint32_t>(depth + 1), levels);
  }
}

}  // namespace roboimi::parquet
