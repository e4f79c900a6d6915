// Parquet files that pyarrow does not write: layouts of older writers, and damaged ones.
#pragma once

#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/io/parquet/hybrid_writer.h"
#include "roboimi/io/parquet/metadata.h"
#include "roboimi/io/parquet/thrift_writer.h"

namespace roboimi::parquet {

// A node of the schema, in the order of the file.
struct HandmadeNode {
  std::string name;
  std::int32_t repetition = kOptional;
  std::int32_t num_children = 0;  // 0: a leaf
  bool is_list = false;
  std::int32_t type = kInt64Type;
};

// A page of version 1 with its header's fields, which may be false.
struct HandmadePage {
  std::string data;
  std::int32_t num_values = 0;
  std::int32_t type = kDataPage;
  std::int32_t encoding = kPlain;
  std::optional<std::int32_t> uncompressed_size = {};
};

struct HandmadeColumn {
  std::vector<HandmadePage> pages;
  std::int64_t num_values = 0;
  std::int32_t codec = kUncompressed;
  std::int32_t type = kInt64Type;
  bool is_encrypted = false;
};

struct HandmadeFile {
  std::vector<HandmadeNode> nodes;  // without the root
  std::int32_t num_columns = 1;     // children of the root
  std::vector<HandmadeColumn> columns;
  std::int64_t num_rows = 0;  // of a row group
  std::optional<std::int64_t> num_rows_of_file = {};
  // Instead of one row group: two with the same pages, and one without rows between them.
  bool has_empty_group = false;
};

// Levels with their length, as in a page of version 1.
inline std::string level_bytes(const std::vector<std::uint32_t>& levels, int bit_width) {
  std::string runs;
  append_hybrid(runs, levels, bit_width);
  const auto size = static_cast<std::uint32_t>(runs.size());
  return std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + runs;
}

template <typename T>
std::string plain_bytes(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

inline std::string page_bytes(const HandmadePage& page) {
  const auto size = static_cast<std::int32_t>(page.data.size());
  ThriftWriter header;
  header.begin();
  header.integer(1, page.type);
  header.integer(2, page.uncompressed_size.value_or(size));
  header.integer(3, size);
  header.begin(page.type == kDictionaryPage ? 7 : 5);
  header.integer(1, page.num_values);
  header.integer(2, page.encoding);
  if (page.type == kDataPage) {
    header.integer(3, std::int32_t{kRle});
    header.integer(4, std::int32_t{kRle});
  }
  header.end();
  header.end();
  return header.bytes() + page.data;
}

inline void write_node(ThriftWriter& out, const HandmadeNode& node) {
  out.begin();
  if (node.num_children == 0) out.integer(1, node.type);
  out.integer(3, node.repetition);
  out.binary(4, node.name);
  if (node.num_children > 0) out.integer(5, node.num_children);
  if (node.is_list) out.integer(6, std::int32_t{3});
  out.end();
}

// With all fields that pyarrow requires. `name`: of a column without lists.
inline void write_handmade_column(ThriftWriter& out, const HandmadeColumn& column,
                                  const std::string& name, std::int64_t start, std::int64_t size) {
  out.begin();
  out.integer(2, std::int64_t{0});
  out.begin(3);
  out.integer(1, column.type);
  out.list(2, ThriftWriter::kInt32, 1);
  out.element(std::int32_t{kPlain});
  out.list(3, ThriftWriter::kBinary, 1);
  out.element(name);
  out.integer(4, column.codec);
  out.integer(5, column.num_values);
  out.integer(6, size);
  out.integer(7, size);
  out.integer(9, start);
  out.end();
  if (column.is_encrypted) {
    out.begin(8);
    out.end();
  }
  out.end();
}

inline std::string with_footer(const std::string& start, const std::string& footer) {
  const auto size = static_cast<std::uint32_t>(footer.size());
  return start + footer + std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + "PAR1";
}

// A row group whose columns begin at `starts`, each up to the next entry. Without rows, it has no
// pages.
inline void write_handmade_group(ThriftWriter& out, const HandmadeFile& file,
                                 const std::vector<std::int64_t>& starts, std::int64_t num_rows) {
  out.begin();
  out.list(1, ThriftWriter::kStruct, file.columns.size());
  for (std::size_t i = 0; i < file.columns.size(); ++i) {
    HandmadeColumn column = file.columns[i];
    if (num_rows == 0) column.num_values = 0;
    write_handmade_column(out, column, file.nodes.front().name, starts[i],
                          num_rows == 0 ? 0 : starts[i + 1] - starts[i]);
  }
  out.integer(2, std::int64_t{0});
  out.integer(3, num_rows);
  out.end();
}

inline std::string file_bytes(const HandmadeFile& file) {
  // The pages.
  std::string bytes = "PAR1";
  std::vector<std::int64_t> starts = {static_cast<std::int64_t>(bytes.size())};
  for (const HandmadeColumn& column : file.columns) {
    for (const HandmadePage& page : column.pages) bytes += page_bytes(page);
    starts.push_back(static_cast<std::int64_t>(bytes.size()));
  }
  // The footer.
  const std::int64_t rows = file.num_rows;
  std::vector<std::int64_t> groups = {rows};
  if (file.has_empty_group) groups = {rows, 0, rows};
  const std::int64_t all_rows = file.has_empty_group ? 2 * rows : rows;
  ThriftWriter out;
  out.begin();
  out.integer(1, std::int32_t{1});
  out.list(2, ThriftWriter::kStruct, file.nodes.size() + 1);
  write_node(out, {.name = "root", .repetition = kRequired, .num_children = file.num_columns});
  for (const HandmadeNode& node : file.nodes) write_node(out, node);
  out.integer(3, file.num_rows_of_file.value_or(all_rows));
  out.list(4, ThriftWriter::kStruct, groups.size());
  for (const std::int64_t num_rows : groups) write_handmade_group(out, file, starts, num_rows);
  out.end();
  return with_footer(bytes, out.bytes());
}

inline void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace roboimi::parquet
