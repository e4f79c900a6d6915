#include "roboimi/io/parquet/writer.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <bit>
#include <csignal>
#include <random>

#include "tests/error_text.h"
#include "tests/reference/run_reference.h"
#include "tests/unit/io/parquet/table_json.h"

namespace roboimi::parquet {
namespace {

namespace fs = std::filesystem;

using testing::HasSubstr;

Values integers(std::vector<std::int64_t> values) { return {.values = std::move(values)}; }

Values texts(std::vector<std::string> values) { return {.values = std::move(values)}; }

class ParquetWriter : public testing::Test {
 protected:
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()));
  }

  ReferenceFolder folder_{"parquet_writer"};
  fs::path file_ = folder_.path() / "table.parquet";
};

TEST_F(ParquetWriter, WritesStructs) {
  const std::vector<Column> columns = {{.name = "index", .type = Type::kInt64},
                                       {.name = "front.rgb.bytes", .type = Type::kByteArray},
                                       {.name = "front.rgb.path", .type = Type::kByteArray},
                                       {.name = "front.rgb_path", .type = Type::kByteArray},
                                       {.name = "top.path", .type = Type::kByteArray}};
  const std::vector<Values> values = {integers({3, 4}), texts({"a", ""}), texts({"b", "c"}),
                                      texts({"d", "e"}), texts({"f", "g"})};
  Writer writer(file_, columns, {.structs = {"front.rgb", "top"}});
  writer.add_row_group(values);
  writer.close();
  const Reader reader(file_);
  ASSERT_EQ(reader.columns().size(), columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    EXPECT_EQ(reader.columns()[i].name, columns[i].name);
    EXPECT_EQ(reader.read(columns[i].name, 0, 2).values, values[i].values);
  }
}

// Every type and depth, with nulls; row i of n.
std::vector<Column> all_columns() {
  return {{.name = "flag", .type = Type::kBoolean},
          {.name = "int", .type = Type::kInt32},
          {.name = "unsigned", .type = Type::kInt64, .is_unsigned = true},
          {.name = "float", .type = Type::kFloat, .list_depth = 1},
          {.name = "double", .type = Type::kDouble, .list_depth = 2},
          {.name = "text.with.dots", .type = Type::kByteArray, .is_text = true},
          {.name = "bytes", .type = Type::kByteArray, .list_depth = 1}};
}

std::vector<Values> all_values(int rows, std::mt19937& random) {
  std::vector<std::uint8_t> flags;
  std::vector<std::int32_t> ints;
  std::vector<std::string> texts;
  Values unsigned_numbers{.values = std::vector<std::int64_t>()};
  Values floats{.values = std::vector<float>(), .offsets = {{0}}};
  Values doubles{.values = std::vector<double>(), .offsets = {{0}, {0}}};
  Values bytes{.values = std::vector<std::string>(), .offsets = {{0}}};
  for (int i = 0; i < rows; ++i) {
    flags.push_back(random() % 2);
    ints.push_back(static_cast<std::int32_t>(random()));
    texts.push_back(i % 3 == 0 ? "" : "箱 " + std::to_string(i % 5));
    std::get<std::vector<std::int64_t>>(unsigned_numbers.values).push_back(i % 4 == 1 ? 0 : -i);
    unsigned_numbers.is_null.push_back(i % 4 == 1);
    // Lists of float: some null, some empty.
    auto& list = std::get<std::vector<float>>(floats.values);
    if (i % 7 == 2) floats.null_rows.push_back(i);
    for (int k = 0; k < i % 7 - 2; ++k) list.push_back(static_cast<float>(random()) / 3);
    floats.offsets[0].push_back(static_cast<std::int64_t>(list.size()));
    // Lists of lists of double.
    auto& inner = std::get<std::vector<double>>(doubles.values);
    for (int k = 0; k < i % 3; ++k) {
      for (int j = 0; j < (i + k) % 4; ++j) {
        const bool is_null = random() % 5 == 0;
        inner.push_back(is_null ? 0 : static_cast<double>(random() % 10) / 7);
        doubles.is_null.push_back(is_null);
      }
      doubles.offsets[1].push_back(static_cast<std::int64_t>(inner.size()));
    }
    doubles.offsets[0].push_back(static_cast<std::int64_t>(doubles.offsets[1].size()) - 1);
    // Lists of bytes.
    auto& strings = std::get<std::vector<std::string>>(bytes.values);
    for (int k = 0; k < i % 2; ++k) strings.push_back(std::string("\0\xff", 2) + std::to_string(i));
    bytes.offsets[0].push_back(static_cast<std::int64_t>(strings.size()));
  }
  return {{.values = flags},
          {.values = ints},
          unsigned_numbers,
          floats,
          doubles,
          {.values = texts},
          bytes};
}

TEST_F(ParquetWriter, WritesWhatTheReaderReads) {
  for (const Codec codec : {Codec::kNone, Codec::kSnappy, Codec::kGzip, Codec::kZstd}) {
    for (const std::int64_t page_bytes : {1, 100, 1 << 20}) {
      std::mt19937 random(1);
      const std::vector<Values> groups[] = {all_values(40, random), all_values(100, random)};
      const std::map<std::string, std::string> metadata = {{"pandas", "{}"}, {"empty", ""}};
      Writer writer(file_, all_columns(),
                    {.codec = codec, .metadata = metadata, .page_bytes = page_bytes});
      for (const std::vector<Values>& group : groups) writer.add_row_group(group);
      writer.close();
      EXPECT_EQ(writer.size(), static_cast<std::int64_t>(fs::file_size(file_)));
      const Reader table(file_);
      EXPECT_EQ(table.metadata(), metadata);
      EXPECT_EQ(table.row_groups(), (std::vector<std::int64_t>{0, 40, 140}));
      const std::vector<Column> columns = all_columns();
      for (std::size_t i = 0; i < columns.size(); ++i) {
        Column column = columns[i];
        column.type_name = to_string(column.type);
        EXPECT_EQ(table.columns()[i].name, column.name);
        for (std::size_t g = 0; g < 2; ++g) {
          const std::int64_t first = table.row_groups()[g];
          Values read = table.read(column.name, first, table.row_groups()[g + 1] - first);
          EXPECT_EQ(values_json(table.columns()[i], read), values_json(column, groups[g][i]))
              << column.name << " " << g;
        }
      }
    }
  }
}

TEST_F(ParquetWriter, KeepsTheBitsOfNumbers) {
  const float nan = std::bit_cast<float>(0x7fc12345u);
  const std::vector<float> numbers = {0.0f, -0.0f, nan, 0.0f, -0.0f, nan, 0.0f, -0.0f, nan, 0.0f,
                                      0.0f, 0.0f,  nan, nan,  nan,   nan, nan,  nan,   nan, nan};
  Writer writer(file_, {{.name = "x", .type = Type::kFloat}});
  writer.add_row_group({{.values = numbers}});
  writer.close();
  const Values read = Reader(file_).read("x", 0, 20);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    EXPECT_EQ(std::bit_cast<std::uint32_t>(std::get<std::vector<float>>(read.values)[i]),
              std::bit_cast<std::uint32_t>(numbers[i]));
  }
}

TEST_F(ParquetWriter, UsesADictionaryWhereItIsSmaller) {
  const auto size_of = [&](std::int64_t distinct) {
    std::vector<std::int64_t> values;
    for (std::int64_t i = 0; i < 10000; ++i) values.push_back(i % distinct * 1234567);
    Writer writer(file_, {{.name = "x"}}, {.codec = Codec::kNone});
    writer.add_row_group({integers(values)});
    writer.close();
    EXPECT_EQ(Reader(file_).read_integers("x", 0, 10000), values);
    return fs::file_size(file_);
  };
  EXPECT_LT(size_of(16), 10000 / 2 + 500);
  EXPECT_LT(size_of(10000), 80000 + 500);
  EXPECT_GT(size_of(10000), 80000);
}

TEST_F(ParquetWriter, ShowsTheFileOnlyWhenItIsComplete) {
  {
    Writer writer(file_, {{.name = "x"}});
    writer.add_row_group({integers({1, 2})});
    EXPECT_FALSE(fs::exists(file_));
    writer.close();
    EXPECT_TRUE(fs::exists(file_));
    EXPECT_THAT(error_text([&] { writer.add_row_group({integers({3})}); }), HasSubstr("is closed"));
  }
  EXPECT_EQ(files(), 1u);
  // A writer that is not closed leaves the older file and nothing else.
  {
    Writer writer(file_, {{.name = "y"}});
    writer.add_row_group({integers({4})});
    EXPECT_EQ(files(), 2u);
  }
  EXPECT_EQ(files(), 1u);
  EXPECT_EQ(Reader(file_).read_integers("x", 0, 2), (std::vector<std::int64_t>{1, 2}));
}

TEST_F(ParquetWriter, LeavesNothingIfTheDiskIsFull) {
  struct rlimit old {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  const struct rlimit small { .rlim_cur = 10000, .rlim_max = old.rlim_max };
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  std::string text;
  {
    Writer writer(file_, {{.name = "x", .type = Type::kByteArray}}, {.codec = Codec::kNone});
    text = error_text([&] { writer.add_row_group({texts({std::string(20000, 'x')})}); });
    EXPECT_THAT(error_text([&] { writer.close(); }), HasSubstr("writing has failed before"));
  }
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(text, HasSubstr(file_.string() + ": cannot write"));
  EXPECT_EQ(files(), 0u);
}

TEST_F(ParquetWriter, ExplainsValuesThatDoNotFit) {
  const std::vector<Column> columns = {{.name = "n"},
                                       {.name = "list", .type = Type::kFloat, .list_depth = 1},
                                       {.name = "text", .type = Type::kByteArray, .is_text = true}};
  Writer writer(file_, columns);
  const auto add = [&](const Values& n, const Values& list, const Values& text) {
    return error_text([&] { writer.add_row_group({n, list, text}); });
  };
  const Values two = integers({1, 2});
  const Values lists{.values = std::vector<float>{1, 2, 3}, .offsets = {{0, 1, 3}}};
  const Values two_texts = texts({"a", "b"});
  EXPECT_THAT(
      error_text([&] { writer.add_row_group({two}); }),
      HasSubstr("the row group and the file differ in the number of columns: expected 3; found 1"));
  EXPECT_THAT(add(integers({1}), lists, two_texts),
              HasSubstr("column 'list': the column and the first one differ in the number of rows: "
                        "expected 1; found 2"));
  EXPECT_THAT(
      add(two_texts, lists, two_texts),
      HasSubstr(
          "column 'n': the type of the values differs from that of the column: expected INT64"));
  EXPECT_THAT(add(two, two, two_texts), HasSubstr("column 'list': the type of the values differs"));
  EXPECT_THAT(
      add(two, {.values = std::vector<float>{1, 2}}, two_texts),
      HasSubstr(
          "the depth of the values' lists differs from that of the column: expected 1; found 0"));
  for (const std::vector<std::int64_t>& offsets :
       {std::vector<std::int64_t>{}, {0, 1}, {1, 2, 3}, {0, 4, 3}, {0, 1, 4}, {0, -1, 3}}) {
    EXPECT_THAT(add(two, {.values = lists.values, .offsets = {offsets}}, two_texts),
                HasSubstr("column 'list': the offsets of the lists do not fit the values"));
  }
  EXPECT_THAT(
      add(two, {.values = lists.values, .offsets = lists.offsets, .is_null = {0}}, two_texts),
      HasSubstr("is_null and the values differ in length: expected 3; found 1"));
  EXPECT_THAT(
      add(two, {.values = lists.values, .offsets = lists.offsets, .null_rows = {1}}, two_texts),
      HasSubstr("a null row has elements"));
  EXPECT_THAT(
      add(two, lists, texts({"a", "\xff"})),
      HasSubstr("column 'text': a string is not UTF-8, but the column is text: found \\xff"));
  // Refused values leave the writer as it was.
  writer.add_row_group({two, lists, two_texts});
  writer.close();
  EXPECT_EQ(Reader(file_).read_integers("n", 0, 2), (std::vector<std::int64_t>{1, 2}));
}

TEST_F(ParquetWriter, RefusesColumnsThatItCannotWrite) {
  const auto error_of = [&](std::vector<Column> columns) {
    return error_text([&] { Writer(file_, std::move(columns)); });
  };
  EXPECT_THAT(error_of({}), HasSubstr("needs at least one column"));
  EXPECT_THAT(error_of({{.name = "x"}, {.name = "x"}}),
              HasSubstr("column 'x': there are two columns of this name"));
  EXPECT_THAT(error_of({{.name = "x", .type = Type::kUnsupported}}),
              HasSubstr("cannot be written"));
  EXPECT_THAT(error_of({{.name = "x", .list_depth = -1}}), HasSubstr("depth of lists"));
  EXPECT_THAT(error_of({{.name = "x", .is_text = true}}), HasSubstr("only BYTE_ARRAY"));
  EXPECT_THAT(error_of({{.name = "x", .type = Type::kFloat, .is_unsigned = true}}),
              HasSubstr("only integers are unsigned"));
  EXPECT_EQ(files(), 0u);
}

TEST_F(ParquetWriter, WritesFilesWithoutRowsAndWithManyColumns) {
  std::vector<Column> columns;
  std::vector<Values> values;
  for (int i = 0; i < 20000; ++i) {
    columns.push_back({.name = "column_" + std::to_string(i), .list_depth = i % 2});
    values.push_back({.values = std::vector<std::int64_t>{i}});
    if (i % 2 == 1) values.back().offsets = {{0, 1}};
  }
  Writer(file_, columns).close();
  EXPECT_EQ(Reader(file_).num_rows(), 0);
  EXPECT_EQ(Reader(file_).read_integers("column_4", 0, 0).size(), 0u);
  Writer writer(file_, columns);
  writer.add_row_group(values);
  writer.close();
  const Reader table(file_);
  EXPECT_EQ(table.columns().size(), 20000u);
  EXPECT_EQ(table.read_integers("column_19998", 0, 1), (std::vector<std::int64_t>{19998}));
}

}  // namespace
}  // namespace roboimi::parquet
