#include "roboimi/io/parquet/writer.h"

#include <algorithm>
#include <set>

#include "roboimi/common/error.h"
#include "roboimi/common/text.h"
#include "roboimi/io/parquet/column_levels.h"
#include "roboimi/io/parquet/column_writer.h"
#include "roboimi/io/parquet/thrift_writer.h"

namespace roboimi::parquet {
namespace {

constexpr std::string_view kMagic = "PAR1";
constexpr int kMaxListDepth = 16;

// Numbers of annotations in parquet.thrift.
enum ConvertedType : std::int32_t { kUtf8 = 0, kConvertedList = 3, kUint32 = 13, kUint64 = 14 };
enum LogicalType : int { kString = 1, kLogicalList = 3, kInteger = 10 };

struct WrittenGroup {
  std::int64_t num_rows;
  std::vector<WrittenChunk> chunks;
};

void check_column(const Column& column) {
  physical_type_of(column.type);
  if (column.list_depth < 0 || column.list_depth > kMaxListDepth) {
    fail("the depth of lists is out of range", "0 to " + std::to_string(kMaxListDepth),
         std::to_string(column.list_depth));
  }
  if (column.is_text && column.type != Type::kByteArray) {
    fail("only BYTE_ARRAY columns hold text", "", to_string(column.type));
  }
  if (column.is_unsigned && column.type != Type::kInt32 && column.type != Type::kInt64) {
    fail("only integers are unsigned", "", to_string(column.type));
  }
  if (!is_utf8(column.name)) fail("the name is not UTF-8");
}

using Structs = std::set<std::string>;

// The struct that the column is a member of; empty if it is none.
std::string_view struct_of(const Column& column, const Structs& structs) {
  const std::string_view name = column.name;
  for (std::size_t dot = name.find('.'); dot != name.npos; dot = name.find('.', dot + 1)) {
    if (structs.contains(std::string(name.substr(0, dot)))) return name.substr(0, dot);
  }
  return {};
}

// A node of the schema that has children.
void write_group(ThriftWriter& out, std::string_view name, Repetition repetition, bool is_list,
                 std::int32_t num_children = 1) {
  out.begin();
  out.integer(3, std::int32_t{repetition});
  out.binary(4, name);
  out.integer(5, num_children);
  if (is_list) {
    out.integer(6, std::int32_t{kConvertedList});
    out.begin(10);
    out.begin(kLogicalList);
    out.end();
    out.end();
  }
  out.end();
}

void write_leaf(ThriftWriter& out, const Column& column, std::string_view name) {
  const bool is_32_bits = column.type == Type::kInt32;
  out.begin();
  out.integer(1, physical_type_of(column.type));
  out.integer(3, std::int32_t{kOptional});
  out.binary(4, name);
  if (column.is_text) {
    out.integer(6, std::int32_t{kUtf8});
    out.begin(10);
    out.begin(kString);
    out.end();
    out.end();
  }
  if (column.is_unsigned) {
    out.integer(6, std::int32_t{is_32_bits ? kUint32 : kUint64});
    out.begin(10);
    out.begin(kInteger);
    out.byte(1, is_32_bits ? 32 : 64);
    out.boolean(2, false);
    out.end();
    out.end();
  }
  out.end();
}

// The path of a leaf below its struct or the root: NAME, list, element, list, element, ...
std::vector<std::string_view> path_of(const Column& column, std::string_view owner) {
  const std::string_view name = column.name;
  std::vector<std::string_view> path = {owner.empty() ? name : name.substr(owner.size() + 1)};
  for (int i = 0; i < column.list_depth; ++i) path.insert(path.end(), {"list", "element"});
  return path;
}

void write_schema(ThriftWriter& out, const std::vector<Column>& columns, const Structs& structs) {
  // The members of each struct, by its first column.
  std::map<const Column*, std::int32_t> members;
  std::size_t nodes = 1;
  const Column* first = nullptr;
  std::string_view previous;
  for (const Column& column : columns) {
    const std::string_view owner = struct_of(column, structs);
    if (owner.empty() || owner != previous) first = &column;
    if (!owner.empty() && ++members[first] == 1) ++nodes;
    nodes += path_of(column, owner).size();
    previous = owner;
  }
  auto children = static_cast<std::int32_t>(columns.size());
  for (const auto& [column, count] : members) children -= count - 1;
  // The nodes, depth first.
  out.list(2, ThriftWriter::kStruct, nodes);
  out.begin();
  out.binary(4, "schema");
  out.integer(5, children);
  out.end();
  for (const Column& column : columns) {
    const std::string_view owner = struct_of(column, structs);
    if (const auto found = members.find(&column); found != members.end()) {
      write_group(out, owner, kRequired, /*is_list=*/false, found->second);
    }
    const std::vector<std::string_view> path = path_of(column, owner);
    for (std::size_t i = 0; i + 1 < path.size(); ++i) {
      const bool is_list = i % 2 == 0;
      write_group(out, path[i], is_list ? kOptional : kRepeated, is_list);
    }
    write_leaf(out, column, path.back());
  }
}

void write_chunk(ThriftWriter& out, const Column& column, std::string_view owner,
                 const WrittenChunk& written) {
  const ColumnChunk& chunk = written.chunk;
  out.begin();
  out.integer(2, std::int64_t{0});  // the position of another copy of the metadata: none
  out.begin(3);
  out.integer(1, chunk.type);
  out.list(2, ThriftWriter::kInt32, written.encodings.size());
  for (const std::int32_t encoding : written.encodings) out.element(encoding);
  std::vector<std::string_view> path = path_of(column, owner);
  if (!owner.empty()) path.insert(path.begin(), owner);
  out.list(3, ThriftWriter::kBinary, path.size());
  for (const std::string_view name : path) out.element(name);
  out.integer(4, chunk.codec);
  out.integer(5, chunk.num_values);
  out.integer(6, written.uncompressed_size);
  out.integer(7, chunk.compressed_size);
  out.integer(9, chunk.data_page_offset);
  if (chunk.dictionary_page_offset > 0) out.integer(11, chunk.dictionary_page_offset);
  out.end();
  out.end();
}

void write_group_metadata(ThriftWriter& out, const std::vector<Column>& columns,
                          const Structs& structs, const WrittenGroup& group) {
  std::int64_t bytes = 0;
  for (const WrittenChunk& written : group.chunks) bytes += written.uncompressed_size;
  out.begin();
  out.list(1, ThriftWriter::kStruct, columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    write_chunk(out, columns[i], struct_of(columns[i], structs), group.chunks[i]);
  }
  out.integer(2, bytes);
  out.integer(3, group.num_rows);
  out.end();
}

void write_key_values(ThriftWriter& out, const std::map<std::string, std::string>& key_values) {
  if (key_values.empty()) return;
  out.list(5, ThriftWriter::kStruct, key_values.size());
  for (const auto& [key, value] : key_values) {
    out.begin();
    out.binary(1, key);
    out.binary(2, value);
    out.end();
  }
}

}  // namespace

struct Writer::State {
  AtomicFile file;
  std::vector<Column> columns;
  WriterOptions options;
  std::vector<WrittenGroup> groups = {};
  // Whether nothing more may be written: after close(), or after a failure in the middle of a row
  // group.
  bool is_closed = false;
  bool is_broken = false;

  void check_open() const;
  // An error of a column.
  Error located(const Error& error, std::size_t column) const;
};

void Writer::State::check_open() const {
  if (!is_closed && !is_broken) return;
  throw Error({.what = is_closed ? "the Parquet file is closed" : "writing has failed before",
               .where = file.path().string()});
}

Error Writer::State::located(const Error& error, std::size_t column) const {
  Error::Parts parts = error.parts();
  if (!parts.where.empty()) return error;
  parts.where = file.path().string();
  parts.what = "column '" + printable(columns[column].name) + "': " + parts.what;
  return Error(std::move(parts));
}

Writer::Writer(const std::filesystem::path& file, std::vector<Column> columns,
               WriterOptions options)
    : state_(new State{AtomicFile(file), std::move(columns), std::move(options)}) {
  State& state = *state_;
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < state.columns.size(); ++i) {
    try {
      check_column(state.columns[i]);
      if (!names.insert(state.columns[i].name).second) fail("there are two columns of this name");
    } catch (const Error& error) {
      throw state.located(error, i);
    }
  }
  if (state.options.page_bytes < 1) {
    throw Error({.what = "page_bytes is too small",
                 .where = file.string(),
                 .expected = "at least 1",
                 .found = std::to_string(state.options.page_bytes)});
  }
  if (names.empty()) {
    throw Error({.what = "a Parquet file needs at least one column", .where = file.string()});
  }
  state.file.write(kMagic);
}

Writer::~Writer() = default;

void Writer::add_row_group(const std::vector<Values>& columns) {
  State& state = *state_;
  state.check_open();
  if (columns.size() != state.columns.size()) {
    throw Error({.what = "the row group and the file differ in the number of columns",
                 .where = state.file.path().string(),
                 .expected = std::to_string(state.columns.size()),
                 .found = std::to_string(columns.size())});
  }
  std::size_t column = 0;
  try {
    // Check everything before the first byte is written.
    std::int64_t rows = 0;
    for (; column < columns.size(); ++column) {
      const std::int64_t own = checked_rows(state.columns[column], columns[column]);
      if (column == 0) rows = own;
      if (own != rows) {
        fail("the column and the first one differ in the number of rows", std::to_string(rows),
             std::to_string(own));
      }
    }
    if (rows == 0) return;
    // Write.
    state.is_broken = true;
    WrittenGroup group{.num_rows = rows, .chunks = {}};
    for (column = 0; column < columns.size(); ++column) {
      group.chunks.push_back(
          write_column(state.file, state.columns[column], columns[column], rows, state.options));
    }
    state.groups.push_back(std::move(group));
    state.is_broken = false;
  } catch (const Error& error) {
    throw state.located(error, column);
  }
}

std::int64_t Writer::size() const { return state_->file.size(); }

void Writer::close() {
  State& state = *state_;
  state.check_open();
  // The footer.
  std::int64_t rows = 0;
  for (const WrittenGroup& group : state.groups) rows += group.num_rows;
  ThriftWriter out;
  out.begin();
  out.integer(1, std::int32_t{2});  // version of the format
  const Structs& structs = state.options.structs;
  write_schema(out, state.columns, structs);
  out.integer(3, rows);
  out.list(4, ThriftWriter::kStruct, state.groups.size());
  for (const WrittenGroup& group : state.groups) {
    write_group_metadata(out, state.columns, structs, group);
  }
  write_key_values(out, state.options.metadata);
  out.binary(6, "roboimi");
  out.end();
  // Its length and the magic.
  const auto length = static_cast<std::uint32_t>(out.bytes().size());
  state.is_broken = true;
  state.file.write(out.bytes());
  state.file.write({reinterpret_cast<const char*>(&length), sizeof(length)});
  state.file.write(kMagic);
  state.file.commit();
  state.is_broken = false;
  state.is_closed = true;
}

}  // namespace roboimi::parquet
