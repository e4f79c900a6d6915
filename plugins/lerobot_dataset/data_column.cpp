#include "plugins/lerobot_dataset/data_column.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <variant>

#include "roboimi/common/text.h"

namespace roboimi::lerobot_dataset {
namespace {

// A number of a column; integers may be annotated as unsigned.
template <typename To, typename From>
To number_of(From number, bool is_unsigned) {
  if constexpr (std::is_same_v<From, std::int32_t> || std::is_same_v<From, std::int64_t>) {
    if (is_unsigned) return static_cast<To>(static_cast<std::make_unsigned_t<From>>(number));
  }
  return static_cast<To>(number);
}

// Whether a number of a column is an integer of 64 bits.
template <typename Number>
bool is_integer(Number number, bool is_unsigned) {
  if constexpr (std::is_floating_point_v<Number>) {
    constexpr Number kBound = 0x1p63;
    return std::trunc(number) == number && number >= -kBound && number < kBound;
  } else if constexpr (std::is_same_v<Number, std::int64_t>) {
    return !is_unsigned || number >= 0;
  } else {
    return true;
  }
}

// Calls `use` with the numbers of a column of any type. False for strings.
template <typename Use>
bool with_numbers(const parquet::Values& values, const Use& use) {
  return std::visit(
      [&](const auto& numbers) {
        using Number = typename std::decay_t<decltype(numbers)>::value_type;
        if constexpr (std::is_arithmetic_v<Number>) use(numbers);
        return std::is_arithmetic_v<Number>;
      },
      values.values);
}

template <typename To>
std::vector<To> converted(const parquet::Values& values, bool is_unsigned) {
  std::vector<To> result;
  with_numbers(values, [&](const auto& numbers) {
    result.reserve(numbers.size());
    for (const auto number : numbers) result.push_back(number_of<To>(number, is_unsigned));
  });
  return result;
}

}  // namespace

Error missing_column(const parquet::Reader& reader, const std::string& name) {
  std::vector<std::string> columns;
  for (const parquet::Column& column : reader.columns()) columns.push_back(column.name);
  return Error({.what = fmt::format("the data file has no column '{}'", name),
                .where = reader.file().string(),
                .expected = "a column for every feature of meta/info.json that is no video",
                .found = printable(fmt::format("{}", fmt::join(columns, ", "))),
                .next = name.starts_with("action")
                            ? "restore the file, or name the columns of the action in data.actions"
                            : "restore the file, or leave the feature out"});
}

DataColumn::DataColumn(const parquet::Reader& reader, const std::string& name, std::int64_t first,
                       std::int64_t count)
    : reader_(reader), name_(name), first_(first), count_(count) {
  if (reader.find(name) == nullptr) throw missing_column(reader, name);
  is_unsigned_ = reader.find(name)->is_unsigned;
  values_ = reader.read(name, first, count);
}

void DataColumn::fail(std::int64_t row, const std::string& expected,
                      const std::string& found) const {
  throw Error(
      {.what = fmt::format("row {} of the column '{}' does not fit the feature", row, name_),
       .where = reader_.file().string(),
       .expected = expected,
       .found = found,
       .next = "repair the data file, or correct the feature's shape in meta/info.json"});
}

// The index of each row's first value, and the number of values at the end, through all levels of
// lists.
std::vector<std::int64_t> DataColumn::row_starts() const {
  std::vector<std::int64_t> starts(static_cast<std::size_t>(count_) + 1);
  for (std::size_t row = 0; row < starts.size(); ++row) {
    starts[row] = static_cast<std::int64_t>(row);
    for (const std::vector<std::int64_t>& level : values_.offsets) {
      starts[row] = level[static_cast<std::size_t>(starts[row])];
    }
  }
  return starts;
}

// Throws Error unless every row has `width` numbers and none is null.
void DataColumn::check(std::int64_t width) const {
  const std::string expected = width == 1 ? "a number" : fmt::format("{} numbers", width);
  std::int64_t num_values = 0;
  if (!with_numbers(values_, [&](const auto& numbers) { num_values = std::ssize(numbers); })) {
    fail(first_, expected, "a string");
  }
  for (const std::int64_t row : values_.null_rows) {
    fail(first_ + row, expected, "null");
  }

  const std::vector<std::int64_t> starts = row_starts();
  for (std::size_t row = 0; row + 1 < starts.size(); ++row) {
    const std::int64_t found = starts[row + 1] - starts[row];
    if (found != width) {
      fail(first_ + static_cast<std::int64_t>(row), expected, fmt::format("{} numbers", found));
    }
  }
  const auto null = std::ranges::find_if(values_.is_null, [](std::uint8_t flag) { return flag; });
  if (null != values_.is_null.end()) {
    fail(first_ + (null - values_.is_null.begin()) / width, expected, "null");
  }
}

std::vector<std::int64_t> DataColumn::integers() const {
  check(1);
  std::vector<std::int64_t> integers;
  with_numbers(values_, [&](const auto& numbers) {
    integers.reserve(numbers.size());
    for (const auto number : numbers) {
      if (!is_integer(number, is_unsigned_)) {
        fail(first_ + std::ssize(integers), "an integer",
             fmt::format("{}", number_of<double>(number, is_unsigned_)));
      }
      integers.push_back(number_of<std::int64_t>(number, is_unsigned_));
    }
  });
  return integers;
}

std::vector<double> DataColumn::numbers() const {
  check(1);
  return converted<double>(values_, is_unsigned_);
}

template <typename Number>
std::vector<Number> DataColumn::one_per_row(std::vector<std::uint8_t>& is_bad) const {
  // Strings are the fault of all rows.
  if (std::holds_alternative<std::vector<std::string>>(values_.values)) check(1);
  const std::vector<Number> all = converted<Number>(values_, is_unsigned_);
  const std::vector<double> exact = converted<double>(values_, is_unsigned_);
  const std::vector<std::int64_t> starts = row_starts();
  std::vector<Number> rows(static_cast<std::size_t>(count_), 0);
  is_bad.assign(rows.size(), 1);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    if (starts[row + 1] - starts[row] != 1) continue;
    const auto value = static_cast<std::size_t>(starts[row]);
    const bool is_null = !values_.is_null.empty() && values_.is_null[value] != 0;
    if (is_null) continue;
    // Floats that are not whole numbers are not indices.
    if (std::is_integral_v<Number> && static_cast<double>(all[value]) != exact[value]) continue;
    rows[row] = all[value];
    is_bad[row] = 0;
  }
  return rows;
}

std::vector<std::int64_t> DataColumn::integers(std::vector<std::uint8_t>& is_bad) const {
  return one_per_row<std::int64_t>(is_bad);
}

std::vector<double> DataColumn::numbers(std::vector<std::uint8_t>& is_bad) const {
  return one_per_row<double>(is_bad);
}

at::Tensor DataColumn::vectors(std::int64_t width) const {
  check(width);
  at::Tensor rows = at::empty({count_, width}, at::kFloat);
  float* out = rows.data_ptr<float>();
  with_numbers(values_, [&](const auto& numbers) {
    for (const auto number : numbers) *out++ = number_of<float>(number, is_unsigned_);
  });
  return rows;
}

}  // namespace roboimi::lerobot_dataset
