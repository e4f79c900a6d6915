// Reader's members that convert columns of one value per row.
#include <cmath>

#include "roboimi/common/error.h"
#include "roboimi/common/text.h"
#include "roboimi/io/parquet/reader.h"

namespace roboimi::parquet {
namespace {

// An error of one row of a column.
Error row_error(const Reader& reader, const std::string& column, std::int64_t row,
                const std::string& what, const std::string& expected, const std::string& found) {
  return Error(
      {.what = "column '" + printable(column) + "', row " + std::to_string(row) + ": " + what,
       .where = reader.file().string(),
       .expected = expected,
       .found = found,
       .next = "correct the value in the file, or write the file again"});
}

Error type_error(const Reader& reader, const Column& column, const std::string& expected) {
  const std::string kind = column.list_depth > 0 ? "lists of " : "";
  return Error({.what = "column '" + printable(column.name) + "' has the wrong type",
                .where = reader.file().string(),
                .expected = expected,
                .found = kind + column.type_name,
                .next = "write the column again with that type"});
}

// read() of a column without lists and nulls.
Values read_scalars(const Reader& reader, const std::string& name, std::int64_t first,
                    std::int64_t count, bool strings, const char* expected) {
  // If there is no such column, read() reports it.
  if (const Column* column = reader.find(name)) {
    const bool has_strings = column->type == Type::kByteArray;
    if (column->list_depth > 0 || has_strings != strings) {
      throw type_error(reader, *column, expected);
    }
  }
  Values values = reader.read(name, first, count);
  for (std::size_t i = 0; i < values.is_null.size(); ++i) {
    if (values.is_null[i] != 0) {
      throw row_error(reader, name, first + static_cast<std::int64_t>(i), "the value is null",
                      expected, "null");
    }
  }
  return values;
}

// Converts a number without loss. Returns whether that is possible.
template <typename From>
bool convert(From from, bool is_unsigned, std::int64_t& to) {
  if constexpr (std::is_floating_point_v<From>) {
    constexpr From kEnd = static_cast<From>(9223372036854775808.0);  // 2^63
    if (!(from >= -kEnd && from < kEnd) || std::trunc(from) != from) return false;
    to = static_cast<std::int64_t>(from);
    return true;
  } else if constexpr (std::is_same_v<From, std::int32_t>) {
    to = is_unsigned ? static_cast<std::int64_t>(static_cast<std::uint32_t>(from)) : from;
    return true;
  } else {
    to = from;
    return !is_unsigned || to >= 0;
  }
}

template <typename From>
bool convert(From from, bool is_unsigned, double& to) {
  if constexpr (std::is_floating_point_v<From>) {
    to = from;
    return true;
  } else {
    // Integers up to 2^53 are exact.
    std::int64_t integer = 0;
    constexpr std::int64_t kExact = std::int64_t{1} << 53;
    if (!convert(from, is_unsigned, integer)) return false;
    to = static_cast<double>(integer);
    return integer >= -kExact && integer <= kExact;
  }
}

template <typename To>
std::vector<To> read_converted(const Reader& reader, const std::string& name, std::int64_t first,
                               std::int64_t count, const char* expected) {
  const Values values = read_scalars(reader, name, first, count, false, expected);
  const bool is_unsigned = reader.find(name)->is_unsigned;
  std::vector<To> converted;
  std::visit(
      [&]<typename From>(const std::vector<From>& items) {
        if constexpr (!std::is_same_v<From, std::string>) {
          converted.resize(items.size());
          for (std::size_t i = 0; i < items.size(); ++i) {
            if (convert(items[i], is_unsigned, converted[i])) continue;
            throw row_error(reader, name, first + static_cast<std::int64_t>(i),
                            "the number does not fit", expected, std::to_string(items[i]));
          }
        }
      },
      values.values);
  return converted;
}

}  // namespace

std::vector<std::int64_t> Reader::read_integers(const std::string& column, std::int64_t first,
                                                std::int64_t count) const {
  return read_converted<std::int64_t>(*this, column, first, count, "one integer per row");
}

std::vector<double> Reader::read_numbers(const std::string& column, std::int64_t first,
                                         std::int64_t count) const {
  return read_converted<double>(*this, column, first, count, "one number per row");
}

std::vector<std::string> Reader::read_strings(const std::string& column, std::int64_t first,
                                              std::int64_t count) const {
  Values values = read_scalars(*this, column, first, count, true, "one string per row");
  return std::get<std::vector<std::string>>(std::move(values.values));
}

}  // namespace roboimi::parquet
