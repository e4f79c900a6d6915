#include "roboimi/io/parquet/reader.h"

#include <gmock/gmock.h>

#include <bit>
#include <random>

#include "tests/error_text.h"
#include "tests/reference/run_reference.h"
#include "tests/unit/io/parquet/handmade.h"
#include "tests/unit/io/parquet/table_json.h"

namespace roboimi::parquet {
namespace {

namespace fs = std::filesystem;

using testing::HasSubstr;
using testing::Not;

const fs::path kGolden = fs::path(ROBOIMI_SOURCE_DIR) / "tests/golden/parquet";

std::vector<fs::path> golden_files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(kGolden)) {
    if (entry.path().extension() == ".json") {
      files.push_back(fs::path(entry.path()).replace_extension(".parquet"));
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Values that stand for one entry of the lists at `level`, or a single value, as nested JSON.
Json entry_json(const Values& values, std::size_t level, std::size_t index) {
  if (level == values.offsets.size()) {
    if (!values.is_null.empty() && values.is_null[index] != 0) return nullptr;
    return std::visit([&](const auto& items) { return item_json(items[index]); }, values.values);
  }
  const std::vector<std::int64_t>& null_rows = values.null_rows;
  if (level == 0 && std::find(null_rows.begin(), null_rows.end(), index) != null_rows.end()) {
    return nullptr;
  }
  Json list = Json::array();
  for (std::int64_t i = values.offsets[level][index]; i < values.offsets[level][index + 1]; ++i) {
    list.push_back(entry_json(values, level + 1, static_cast<std::size_t>(i)));
  }
  return list;
}

Json rows_json(const Values& values, std::size_t count) {
  Json rows = Json::array();
  for (std::size_t i = 0; i < count; ++i) rows.push_back(entry_json(values, 0, i));
  return rows;
}

class ParquetReader : public testing::Test {
 protected:
  // A file with these bytes.
  fs::path file_of(const std::string& bytes, const std::string& name = "table.parquet") const {
    write_bytes(folder_.path() / name, bytes);
    return folder_.path() / name;
  }

  ReferenceFolder folder_{"parquet_reader"};
};

TEST_F(ParquetReader, ReadsWhatPyarrowWrote) {
  const std::vector<fs::path> files = golden_files();
  ASSERT_GE(files.size(), 10u);
  for (const fs::path& file : files) {
    const Json expected = read_json(fs::path(file).replace_extension(".json"));
    const Json found = table_json(Reader(file));
    EXPECT_EQ(found.at("rows"), expected.at("rows")) << file;
    EXPECT_EQ(found.at("columns"), expected.at("columns")) << file;
  }
}

TEST_F(ParquetReader, ReadsAnyRangeOfRows) {
  std::mt19937 random(1);
  for (const fs::path& file : golden_files()) {
    const Reader table(file);
    for (const Column& column : table.columns()) {
      const auto rows = static_cast<std::size_t>(table.num_rows());
      const Json all = rows_json(table.read(column.name, 0, table.num_rows()), rows);
      for (int i = 0; i < 20; ++i) {
        const std::size_t first = random() % (rows + 1);
        const std::size_t count = random() % (rows - first + 1);
        const Values part = table.read(column.name, static_cast<std::int64_t>(first),
                                       static_cast<std::int64_t>(count));
        const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first);
        EXPECT_EQ(rows_json(part, count),
                  Json(Json::array_t(begin, begin + static_cast<std::ptrdiff_t>(count))))
            << file << " " << column.name << " " << first << " " << count;
      }
    }
  }
}

TEST_F(ParquetReader, ListsColumnsRowGroupsAndMetadata) {
  const Reader table(kGolden / "lists.parquet");
  std::vector<std::string> names;
  for (const Column& column : table.columns()) names.push_back(column.name);
  EXPECT_EQ(names, (std::vector<std::string>{"list", "deep", "deeper", "structs.a", "structs.b",
                                             "image.bytes", "image.path"}));
  EXPECT_EQ(table.find("deeper")->list_depth, 3);
  EXPECT_EQ(table.find("structs.b")->list_depth, 2);
  EXPECT_EQ(table.find("image.bytes")->list_depth, 0);
  EXPECT_FALSE(table.find("image.bytes")->is_text);
  EXPECT_TRUE(table.find("image.path")->is_text);
  EXPECT_EQ(table.find("image"), nullptr);
  EXPECT_EQ(table.metadata().count("ARROW:schema"), 1u);
  EXPECT_EQ(Reader(kGolden / "scalars.parquet").row_groups(),
            (std::vector<std::int64_t>{0, 11, 22, 23}));
  EXPECT_EQ(Reader(kGolden / "no_rows.parquet").num_rows(), 0);
}

TEST_F(ParquetReader, RefusesUnsupportedColumnsByNameButReadsTheOthers) {
  for (const std::string kind : {"INT96", "DECIMAL"}) {
    const fs::path file = kGolden / ("refused_" + kind + ".parquet");
    const Reader table(file);
    const std::string text = error_text([&] { table.read("number", 0, table.num_rows()); });
    EXPECT_THAT(text, HasSubstr(file.string() + ": column 'number'"));
    EXPECT_THAT(text, HasSubstr("is not supported"));
    EXPECT_THAT(text, HasSubstr("found " + kind));
    EXPECT_THAT(text, Not(HasSubstr("damaged")));
    EXPECT_EQ(table.read_numbers("plain", 0, 3), (std::vector<double>{1, 1, 1}));
  }
  HandmadeFile made{.nodes = {{.name = "number", .repetition = kRequired}},
                    .columns = {{.pages = {{.data = "x", .num_values = 1}}, .num_values = 1}},
                    .num_rows = 1};
  made.columns[0].codec = 3;
  EXPECT_THAT(error_text([&] { Reader(file_of(file_bytes(made))).read("number", 0, 1); }),
              HasSubstr("the codec is not supported: expected UNCOMPRESSED, SNAPPY, GZIP, BROTLI, "
                        "LZ4, ZSTD or LZ4_RAW; found LZO"));
  made.columns[0].codec = kUncompressed;
  made.columns[0].pages[0].encoding = kDeltaByteArray;
  EXPECT_THAT(error_text([&] { Reader(file_of(file_bytes(made))).read("number", 0, 1); }),
              HasSubstr("the encoding is not supported for this type: expected an encoding of the "
                        "format for INT64; found DELTA_BYTE_ARRAY"));
}

// Lists as older writers store them: [[7, 8], [], [9]].
TEST_F(ParquetReader, ReadsListsOfOldWriters) {
  struct Layout {
    std::vector<HandmadeNode> nodes;
    std::string name;
    std::uint32_t definition;  // of a value
  };
  const HandmadeNode list{.name = "x", .num_children = 1, .is_list = true};
  const auto repeated = [](const char* name, std::int32_t children) {
    return HandmadeNode{.name = name, .repetition = kRepeated, .num_children = children};
  };
  const std::vector<Layout> layouts = {
      {{list, repeated("bag", 1), {.name = "array"}}, "x", 3},
      {{list, repeated("list", 1), {.name = "element"}}, "x", 3},
      {{list, repeated("list", 1), {.name = "item"}}, "x", 3},
      {{list, repeated("element", 0)}, "x", 2},
      {{list, repeated("array", 0)}, "x", 2},
      {{list, repeated("array", 1), {.name = "member"}}, "x.member", 3},
      {{list, repeated("x_tuple", 1), {.name = "member"}}, "x.member", 3},
      {{repeated("x", 0)}, "x", 1},
      {{repeated("x", 1), {.name = "member"}}, "x.member", 2}};
  for (const Layout& layout : layouts) {
    const std::uint32_t full = layout.definition;
    const std::uint32_t empty = layout.nodes.size() == 1 || !layout.nodes[0].is_list ? 0 : 1;
    const std::string page = level_bytes({0, 1, 0, 0}, 1) +
                             level_bytes({full, full, empty, full}, std::bit_width(full)) +
                             plain_bytes<std::int64_t>({7, 8, 9});
    const fs::path file = file_of(
        file_bytes({.nodes = layout.nodes,
                    .columns = {{.pages = {{.data = page, .num_values = 4}}, .num_values = 4}},
                    .num_rows = 3}));
    const Reader table(file);
    ASSERT_EQ(table.columns().size(), 1u);
    EXPECT_EQ(table.columns()[0].name, layout.name);
    EXPECT_EQ(table.columns()[0].list_depth, 1);
    EXPECT_EQ(rows_json(table.read(layout.name, 0, 3), 3), Json::parse("[[7,8],[],[9]]"))
        << layout.nodes.back().name;
  }
}

TEST_F(ParquetReader, ReadsListsOfListsOfOldWriters) {
  const auto list = [](const char* name, std::int32_t repetition) {
    return HandmadeNode{.name = name, .repetition = repetition, .num_children = 1, .is_list = true};
  };
  // [[[7, 8], [9]], []]
  const std::string page = level_bytes({0, 2, 1, 0}, 2) + level_bytes({3, 3, 3, 1}, 2) +
                           plain_bytes<std::int64_t>({7, 8, 9});
  const Reader table(file_of(
      file_bytes({.nodes = {list("x", kOptional),
                            list("array", kRepeated),
                            {.name = "array", .repetition = kRepeated}},
                  .columns = {{.pages = {{.data = page, .num_values = 4}}, .num_values = 4}},
                  .num_rows = 2})));
  EXPECT_EQ(rows_json(table.read("x", 0, 2), 2), Json::parse("[[[7,8],[9]],[]]"));
}

TEST_F(ParquetReader, PassesOverRowGroupsWithoutRows) {
  // [[7, 8], [9]] in each of two row groups.
  const std::string page =
      level_bytes({0, 1, 0}, 1) + level_bytes({1, 1, 1}, 1) + plain_bytes<std::int64_t>({7, 8, 9});
  const Reader table(file_of(
      file_bytes({.nodes = {{.name = "x", .repetition = kRepeated}},
                  .columns = {{.pages = {{.data = page, .num_values = 3}}, .num_values = 3}},
                  .num_rows = 2,
                  .has_empty_group = true})));
  EXPECT_EQ(table.row_groups(), (std::vector<std::int64_t>{0, 2, 2, 4}));
  EXPECT_EQ(rows_json(table.read("x", 0, 4), 4), Json::parse("[[7,8],[9],[7,8],[9]]"));
  EXPECT_EQ(rows_json(table.read("x", 1, 2), 2), Json::parse("[[9],[7,8]]"));
  EXPECT_EQ(rows_json(table.read("x", 2, 2), 2), Json::parse("[[7,8],[9]]"));
}

TEST_F(ParquetReader, ConvertsNumbersWithoutLoss) {
  const Reader table(kGolden / "required.parquet");
  EXPECT_EQ(table.read_integers("number", 0, 3), (std::vector<std::int64_t>{1, 2, 3}));
  EXPECT_EQ(table.read_integers("number", 2, 1), (std::vector<std::int64_t>{3}));
  EXPECT_EQ(table.read_integers("flag", 0, 3), (std::vector<std::int64_t>{1, 0, 1}));
  EXPECT_EQ(table.read_numbers("number", 0, 3), (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(table.read_strings("text", 0, 3), (std::vector<std::string>{"a", "", "c"}));
  const Reader scalars(kGolden / "scalars.parquet");
  const std::vector<std::int64_t> raw = {
      std::get<std::vector<std::int32_t>>(scalars.read("unsigned", 0, 3).values)[0]};
  EXPECT_EQ(scalars.read_integers("unsigned", 0, 1)[0],
            static_cast<std::int64_t>(static_cast<std::uint32_t>(raw[0])));
  EXPECT_EQ(scalars.read_integers("float", 0, 1), (std::vector<std::int64_t>{0}));
}

TEST_F(ParquetReader, NamesTheRowThatCannotBeConverted) {
  const Reader table(kGolden / "scalars.parquet");
  EXPECT_THAT(error_text([&] { table.read_integers("small", 1, 5); }),
              HasSubstr("column 'small', row 3: the value is null: expected one integer per row"));
  EXPECT_THAT(error_text([&] { table.read_integers("float", 0, 2); }),
              HasSubstr("column 'float', row 1: the number does not fit"));
  EXPECT_THAT(error_text([&] { table.read_numbers("long", 0, 3); }),
              HasSubstr("column 'long', row 0: the number does not fit"));
  EXPECT_THAT(error_text([&] { table.read_integers("double", 1, 1); }),
              HasSubstr("row 1: the number does not fit"));
  EXPECT_THAT(error_text([&] { table.read_integers("text", 0, 1); }),
              HasSubstr("column 'text' has the wrong type: expected one integer per row; "
                        "found BYTE_ARRAY"));
  EXPECT_THAT(error_text([&] { table.read_strings("int", 0, 1); }), HasSubstr("found INT32"));
  EXPECT_THAT(error_text([&] { Reader(kGolden / "lists.parquet").read_numbers("list", 0, 1); }),
              HasSubstr("found lists of FLOAT"));
}

TEST_F(ParquetReader, NamesTheColumnsAndRowsThatExist) {
  const Reader table(kGolden / "required.parquet");
  EXPECT_THAT(error_text([&] { table.read("nummer", 0, 1); }),
              HasSubstr("has no column 'nummer': expected one of number, list, flag, text"));
  for (const auto& [first, count] : {std::pair<std::int64_t, std::int64_t>{-1, 1},
                                     {0, 4},
                                     {4, 0},
                                     {1, INT64_MAX},
                                     {INT64_MAX, 1},
                                     {0, -1}}) {
    EXPECT_THAT(error_text([&, f = first, c = count] { table.read("number", f, c); }),
                HasSubstr("out of range: expected rows within [0, 3)"));
  }
}

TEST_F(ParquetReader, LimitsTheMemoryOfACall) {
  const Reader table(kGolden / "dictionary_then_plain.parquet", {.max_bytes = 2000});
  EXPECT_EQ(table.read_integers("number", 200, 20).size(), 20u);
  EXPECT_THAT(error_text([&] { table.read("number", 0, table.num_rows()); }),
              HasSubstr("take more memory than the limit of one call: expected at most 2000 bytes; "
                        "read fewer rows at a time"));
}

}  // namespace
}  // namespace roboimi::parquet
