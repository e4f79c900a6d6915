#include "roboimi/io/parquet/reader.h"

#include <algorithm>
#include <unordered_map>

#include "roboimi/common/error.h"
#include "roboimi/common/text.h"
#include "roboimi/io/parquet/column_reader.h"
#include "roboimi/io/parquet/footer.h"

namespace roboimi::parquet {
namespace {

constexpr const char* kDamaged = "the file is damaged: copy or download it again";

// An error of a function that does not know the location, with the file and the location added.
Error located(const Error& error, const std::filesystem::path& file, const std::string& place) {
  Error::Parts parts = error.parts();
  parts.where = file.string();
  parts.what = place + ": " + parts.what;
  if (parts.next.empty()) parts.next = kDamaged;
  return Error(std::move(parts));
}

std::string place_of(const std::string& column, std::size_t group, std::int64_t page) {
  std::string place = "column '" + printable(column) + "', row group " + std::to_string(group);
  if (page >= 0) place += ", page " + std::to_string(page);
  return place;
}

void check_footer(const FileMetadata& metadata, std::size_t leaves) {
  std::int64_t rows = 0;
  for (std::size_t i = 0; i < metadata.row_groups.size(); ++i) {
    const RowGroup& group = metadata.row_groups[i];
    if (group.columns.size() != leaves) {
      fail("row group " + std::to_string(i) + " and the schema differ in the number of columns",
           std::to_string(leaves), std::to_string(group.columns.size()));
    }
    if (group.num_rows > metadata.num_rows - rows) {
      fail("the row groups have more rows than the file", std::to_string(metadata.num_rows));
    }
    rows += group.num_rows;
  }
  if (rows != metadata.num_rows) {
    fail("the row groups have fewer rows than the file", std::to_string(metadata.num_rows),
         std::to_string(rows));
  }
}

}  // namespace

const char* to_string(Type type) {
  switch (type) {
    case Type::kBoolean:
      return "BOOLEAN";
    case Type::kInt32:
      return "INT32";
    case Type::kInt64:
      return "INT64";
    case Type::kFloat:
      return "FLOAT";
    case Type::kDouble:
      return "DOUBLE";
    case Type::kByteArray:
      return "BYTE_ARRAY";
    case Type::kUnsupported:
      break;
  }
  return "unsupported";
}

struct Reader::State {
  State(const std::filesystem::path& path, ReaderOptions reader_options)
      : file(path), parts(parts_of(file)), options(reader_options) {}

  // The index of a column. Throws Error if there is none or two.
  std::size_t index_of(const std::string& name) const;

  MappedFile file;
  FileParts parts;
  ReaderOptions options;
  std::int64_t num_rows = 0;
  std::vector<std::vector<ColumnChunk>> chunks;  // of every row group
  std::vector<Leaf> leaves;
  std::vector<Column> columns;
  std::unordered_map<std::string, std::size_t> by_name;
  std::vector<std::string> ambiguous;  // names of several columns, sorted
  std::vector<std::int64_t> row_groups;
  std::map<std::string, std::string> metadata;
};

std::size_t Reader::State::index_of(const std::string& name) const {
  const auto found = by_name.find(name);
  if (found == by_name.end()) {
    std::string known;
    for (const Column& column : columns) known += (known.empty() ? "" : ", ") + column.name;
    throw Error({.what = "the Parquet file has no column '" + printable(name) + "'",
                 .where = file.path().string(),
                 .expected = known.empty() ? "a file with columns" : "one of " + printable(known)});
  }
  if (std::binary_search(ambiguous.begin(), ambiguous.end(), name)) {
    throw Error({.what = "the Parquet file has several columns '" + printable(name) + "'",
                 .where = file.path().string()});
  }
  return found->second;
}

Reader::Reader(const std::filesystem::path& file, ReaderOptions options)
    : state_(std::make_unique<State>(file, options)) {
  State& state = *state_;
  try {
    // The footer.
    FileMetadata footer = parse_footer(state.parts.footer);
    state.leaves = leaves_of(footer.schema);
    check_footer(footer, state.leaves.size());
    state.num_rows = footer.num_rows;
    state.metadata = std::move(footer.key_values);
    // The row groups.
    std::int64_t row = 0;
    for (RowGroup& group : footer.row_groups) {
      state.row_groups.push_back(row);
      state.chunks.push_back(std::move(group.columns));
      row += group.num_rows;
    }
    state.row_groups.push_back(row);
  } catch (const Error& error) {
    throw located(error, file, "the Parquet footer is damaged");
  }
  // The columns by name.
  for (const Leaf& leaf : state.leaves) {
    if (!state.by_name.emplace(leaf.column.name, state.columns.size()).second) {
      state.ambiguous.push_back(leaf.column.name);
    }
    state.columns.push_back(leaf.column);
  }
  std::sort(state.ambiguous.begin(), state.ambiguous.end());
}

Reader::~Reader() = default;
Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;

const std::filesystem::path& Reader::file() const { return state_->file.path(); }
std::int64_t Reader::num_rows() const { return state_->num_rows; }
const std::vector<std::int64_t>& Reader::row_groups() const { return state_->row_groups; }
const std::vector<Column>& Reader::columns() const { return state_->columns; }
const std::map<std::string, std::string>& Reader::metadata() const { return state_->metadata; }

const Column* Reader::find(const std::string& name) const {
  const auto found = state_->by_name.find(name);
  return found == state_->by_name.end() ? nullptr : &state_->columns[found->second];
}

Values Reader::read(const std::string& column, std::int64_t first, std::int64_t count) const {
  const State& state = *state_;
  const std::size_t index = state.index_of(column);
  if (first < 0 || count < 0 || first > state.num_rows - count) {
    throw Error({.what = "rows of column '" + printable(column) + "' are out of range",
                 .where = file().string(),
                 .expected = "rows within [0, " + std::to_string(state.num_rows) + ")",
                 .found = std::to_string(count) + " rows from row " + std::to_string(first)});
  }
  // The row groups that overlap [first, first + count).
  const auto& starts = state.row_groups;
  const auto begin = std::upper_bound(starts.begin(), starts.end() - 1, first);
  std::size_t group =
      begin == starts.begin() ? 0 : static_cast<std::size_t>(begin - starts.begin()) - 1;
  std::int64_t page = -1;
  try {
    Budget budget(state.options.max_bytes);
    Values values = empty_values(state.columns[index]);
    for (; group < state.chunks.size() && starts[group] < first + count; ++group) {
      const std::int64_t in_chunk = starts[group + 1] - starts[group];
      // Writers may store row groups without rows.
      if (in_chunk == 0) continue;
      const ChunkRows rows{.in_chunk = in_chunk,
                           .first = std::max<std::int64_t>(first - starts[group], 0),
                           .end = std::min(first + count - starts[group], in_chunk)};
      append_rows(state.parts.data, state.chunks[group][index], state.leaves[index], rows, budget,
                  values, page);
    }
    finish_offsets(values);
    return values;
  } catch (const Error& error) {
    throw located(error, file(), place_of(column, group, page));
  }
}

}  // namespace roboimi::parquet
