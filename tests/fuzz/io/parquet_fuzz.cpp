// Fuzzes the Parquet reader: any input must give an Error or consistent values of every column, for
// all rows and for some of them.
#include <cstdlib>

#include "roboimi/common/error.h"
#include "roboimi/io/parquet/reader.h"
#include "tests/fuzz/io/memory_file.h"

namespace {

using roboimi::parquet::Column;
using roboimi::parquet::Reader;
using roboimi::parquet::Values;

constexpr std::int64_t kMaxBytes = 16 << 20;  // of one call, so that inputs stay fast
constexpr std::size_t kMaxColumns = 64;

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const Column& column, const Values& values, std::int64_t rows) {
  const auto leaves = static_cast<std::int64_t>(
      std::visit([](const auto& items) { return items.size(); }, values.values));
  require(values.offsets.size() == static_cast<std::size_t>(column.list_depth));
  require(values.is_null.empty() || static_cast<std::int64_t>(values.is_null.size()) == leaves);
  // Each level ends where the next one does.
  std::int64_t entries = rows;
  for (const std::vector<std::int64_t>& offsets : values.offsets) {
    require(static_cast<std::int64_t>(offsets.size()) == entries + 1 && offsets.front() == 0);
    for (std::size_t i = 1; i < offsets.size(); ++i) require(offsets[i - 1] <= offsets[i]);
    entries = offsets.back();
  }
  require(entries == leaves);
  if (const auto* flags = std::get_if<std::vector<std::uint8_t>>(&values.values)) {
    for (const std::uint8_t flag : *flags) require(flag <= 1);
  }
  for (const std::int64_t row : values.null_rows) {
    const auto i = static_cast<std::size_t>(row);
    require(row >= 0 && row < rows && values.offsets[0][i] == values.offsets[0][i + 1]);
  }
}

void read(const Reader& table, const Column& column, std::int64_t first, std::int64_t rows) {
  try {
    check(column, table.read(column.name, first, rows), rows);
  } catch (const roboimi::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const roboimi::MemoryFile file(data, size);
  try {
    const Reader table(file.path(), {.max_bytes = kMaxBytes});
    const std::int64_t rows = table.num_rows();
    for (std::size_t i = 0; i < table.columns().size() && i < kMaxColumns; ++i) {
      const Column& column = table.columns()[i];
      read(table, column, 0, rows);
      read(table, column, rows / 3, rows / 2);
    }
  } catch (const roboimi::Error&) {
  }
  return 0;
}
