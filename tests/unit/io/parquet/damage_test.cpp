// Damaged and hostile files: each gives an Error that says where the damage is.
#include <gmock/gmock.h>

#include <cstring>
#include <fstream>

#include "roboimi/io/parquet/reader.h"
#include "tests/error_text.h"
#include "tests/fuzz/io/memory_file.h"
#include "tests/reference/run_reference.h"
#include "tests/unit/io/parquet/handmade.h"

namespace roboimi::parquet {
namespace {

namespace fs = std::filesystem;

using testing::HasSubstr;

std::string golden_bytes(const std::string& name) {
  std::ifstream in(fs::path(ROBOIMI_SOURCE_DIR) / "tests/golden/parquet" / name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Virtual memory in bytes that the process has had at most.
std::int64_t peak_memory() {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("VmPeak:")) return std::stoll(line.substr(7)) * 1024;
  }
  return 0;
}

std::string with_flip(std::string bytes, std::size_t position, int bits) {
  bytes[position] = static_cast<char>(bytes[position] ^ bits);
  return bytes;
}

// Reads all columns and returns the errors. Values must be consistent.
std::string read_all(const std::string& bytes) {
  const MemoryFile file(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  std::string errors;
  try {
    const Reader table(file.path(), {.max_bytes = 1 << 20});
    for (const Column& column : table.columns()) {
      try {
        const Values values = table.read(column.name, 0, table.num_rows());
        const std::size_t leaves =
            std::visit([](const auto& items) { return items.size(); }, values.values);
        const auto rows = static_cast<std::size_t>(table.num_rows());
        EXPECT_TRUE(values.is_null.empty() || values.is_null.size() == leaves);
        EXPECT_EQ(values.offsets.empty() ? leaves : values.offsets[0].size() - 1, rows);
        if (!values.offsets.empty()) {
          EXPECT_EQ(values.offsets.back().back(), static_cast<std::int64_t>(leaves));
        }
      } catch (const Error& error) {
        errors += error.what();
      }
    }
  } catch (const Error& error) {
    errors += error.what();
  }
  return errors;
}

class DamagedParquet : public testing::Test {
 protected:
  fs::path file_of(const std::string& bytes) const {
    write_bytes(folder_.path() / "table.parquet", bytes);
    return folder_.path() / "table.parquet";
  }

  // The error of opening these bytes.
  std::string open_error(const std::string& bytes) const {
    const fs::path file = file_of(bytes);
    const std::string text = error_text([&] { const Reader table(file); });
    EXPECT_TRUE(text.starts_with(file.string() + ": ")) << text;
    return text;
  }

  // The error of reading the column "x" of the file.
  std::string read_error(const HandmadeFile& made) const {
    const fs::path file = file_of(file_bytes(made));
    const Reader table(file);
    const std::string text = error_text([&] { table.read("x", 0, table.num_rows()); });
    EXPECT_TRUE(text.starts_with(file.string() + ": column 'x', row group 0")) << text;
    return text;
  }

  ReferenceFolder folder_{"damaged_parquet"};
};

// A column of required 64-bit numbers.
HandmadeFile numbers(std::vector<HandmadePage> pages, std::int64_t rows) {
  return {.nodes = {{.name = "x", .repetition = kRequired}},
          .columns = {{.pages = std::move(pages), .num_values = rows}},
          .num_rows = rows};
}

TEST_F(DamagedParquet, WithoutFooterWasNotClosed) {
  const std::string bytes = golden_bytes("lists.parquet");
  EXPECT_THAT(open_error(bytes.substr(0, bytes.size() - 1000)),
              HasSubstr("no Parquet footer: the recording was not closed, or the copy was cut "
                        "short: expected a footer and 'PAR1' at the end"));
  EXPECT_THAT(open_error("PAR1"), HasSubstr("no Parquet footer"));
  EXPECT_THAT(open_error("PAR1PAR1"), HasSubstr("no Parquet footer"));
}

TEST_F(DamagedParquet, IsDistinguishedFromOtherFiles) {
  EXPECT_THAT(open_error("version https://git-lfs.github.com/spec/v1\noid sha256:" +
                         std::string(64, 'a') + "\nsize 1000\n"),
              HasSubstr("not a Parquet file: expected a Parquet file; found a Git LFS pointer "
                        "instead of the data; fetch the data: git lfs pull"));
  EXPECT_THAT(open_error(""), HasSubstr("found an empty file of 0 bytes"));
  EXPECT_THAT(open_error("<!DOCTYPE html><p>"), HasSubstr("found a web page"));
  EXPECT_THAT(open_error("hello\x1b[2J"), HasSubstr("begins with 'hello\\x1b[2J'"));
  EXPECT_THAT(open_error("PARE" + std::string(30, 'x') + "PARE"), HasSubstr("is encrypted"));
  EXPECT_THAT(error_text([&] { const Reader table(folder_.path() / "missing.parquet"); }),
              HasSubstr("No such file"));
  EXPECT_THAT(error_text([&] { const Reader table(folder_.path()); }), HasSubstr("a folder"));
}

TEST_F(DamagedParquet, WithAFalseFooterIsRefused) {
  EXPECT_THAT(open_error("PAR1" + std::string("\xff\xff\xff\x7f") + "PAR1"),
              HasSubstr("the Parquet footer is longer than the file: expected at most 0 bytes"));
  EXPECT_THAT(open_error(with_footer("PAR1", "")), HasSubstr("the Parquet footer is damaged"));
  EXPECT_THAT(open_error(with_footer("PAR1", std::string(1, '\0'))),
              HasSubstr("no number of rows"));
  // Nested structures and lists that go on forever.
  EXPECT_THAT(open_error(with_footer("PAR1", std::string(1 << 20, '\x1c'))),
              HasSubstr("nested too deeply"));
  EXPECT_THAT(open_error(with_footer("PAR1", std::string(1 << 20, '\x19'))),
              HasSubstr("the Parquet footer is damaged"));
  // A list that claims 2^60 elements.
  ThriftWriter out;
  out.begin();
  out.list(4, ThriftWriter::kStruct, std::size_t{1} << 60);
  EXPECT_THAT(open_error(with_footer("PAR1", out.bytes())),
              HasSubstr("a list in the metadata is longer than the metadata"));
}

TEST_F(DamagedParquet, WithAFalseSchemaIsRefused) {
  HandmadeFile made = numbers({}, 0);
  made.num_columns = 2;
  EXPECT_THAT(open_error(file_bytes(made)), HasSubstr("the schema ends before its tree"));
  made.num_columns = 0;
  EXPECT_THAT(open_error(file_bytes(made)), HasSubstr("elements outside of its tree"));
  made = numbers({}, 0);
  made.nodes[0].repetition = 5;
  EXPECT_THAT(open_error(file_bytes(made)),
              HasSubstr("schema element 'x' has an unknown repetition"));
  made = numbers({}, 0);
  made.columns.clear();
  EXPECT_THAT(open_error(file_bytes(made)),
              HasSubstr("and the schema differ in the number of columns"));
  made = numbers({}, 3);
  made.num_rows_of_file = 4;
  EXPECT_THAT(open_error(file_bytes(made)), HasSubstr("fewer rows than the file"));
  made.num_rows_of_file = 2;
  EXPECT_THAT(open_error(file_bytes(made)), HasSubstr("more rows than the file"));
  // A chain of 100,000 groups.
  made = numbers({}, 0);
  made.nodes.insert(made.nodes.begin(), 100000, {.name = "x", .num_children = 1});
  EXPECT_THAT(open_error(file_bytes(made)), HasSubstr("the schema is nested too deeply"));
  // A long name that 100,000 columns repeat.
  made = {.nodes = {{.name = std::string(50000, 'x'), .num_children = 100000}}};
  made.nodes.insert(made.nodes.end(), 100000, {.name = "x"});
  EXPECT_THAT(open_error(file_bytes(made)), HasSubstr("the names of the columns are too long"));
}

TEST_F(DamagedParquet, WithFalsePagesIsRefused) {
  const std::string three = plain_bytes<std::int64_t>({1, 2, 3});
  EXPECT_THAT(read_error(numbers({}, 3)), HasSubstr("the pages of the column end too early"));
  EXPECT_THAT(read_error(numbers({{.data = three.substr(0, 20), .num_values = 3}}, 3)),
              HasSubstr("page 0: the data ends inside the values: expected 24 bytes; found 20; the "
                        "file is damaged: copy or download it again"));
  EXPECT_THAT(read_error(numbers({{.data = three, .num_values = 4}}, 3)),
              HasSubstr("the pages have more values than the column"));
  EXPECT_THAT(read_error(numbers({{.data = three, .num_values = -3}}, 3)),
              HasSubstr("no number of values"));
  EXPECT_THAT(read_error(numbers({{.data = three, .num_values = 3, .encoding = 77}}, 3)),
              HasSubstr("found number 77"));
  EXPECT_THAT(
      read_error(numbers({{.data = three, .num_values = 3, .encoding = kRleDictionary}}, 3)),
      HasSubstr("no dictionary page"));
  // A dictionary index that is too large: bit width 2, a run of three times 2.
  EXPECT_THAT(
      read_error(numbers(
          {{.data = plain_bytes<std::int64_t>({5, 6}), .num_values = 2, .type = kDictionaryPage},
           {.data = "\x02\x06\x02", .num_values = 3, .encoding = kRleDictionary}},
          3)),
      HasSubstr("page 1: a dictionary index is out of range: expected less than 2; found 2"));
  // A run of the boolean 255.
  HandmadeFile made = numbers(
      {{.data = std::string("\x02\0\0\0\x06\xff", 6), .num_values = 3, .encoding = kRle}}, 3);
  made.columns[0].type = made.nodes[0].type = kBooleanType;
  EXPECT_THAT(read_error(made),
              HasSubstr("a run of values is out of range: expected at most 1 bits"));
  made = numbers({{.data = three, .num_values = 3}}, 3);
  made.columns[0].type = kDoubleType;
  EXPECT_THAT(read_error(made),
              HasSubstr("the type of the column differs from that in the schema"));
  made = numbers({{.data = three, .num_values = 3}}, 3);
  made.columns[0].is_encrypted = true;
  EXPECT_THAT(read_error(made), HasSubstr("the column is encrypted"));
}

TEST_F(DamagedParquet, WithFalseLevelsIsRefused) {
  const auto lists = [](const std::vector<std::uint32_t>& repetition,
                        const std::vector<std::uint32_t>& definition) {
    const auto entries = static_cast<std::int32_t>(repetition.size());
    const std::string page = level_bytes(repetition, 1) + level_bytes(definition, 2) +
                             plain_bytes<std::int64_t>({1, 2, 3, 4});
    return HandmadeFile{
        .nodes = {{.name = "x", .num_children = 1, .is_list = true},
                  {.name = "element", .repetition = kRepeated}},
        .columns = {{.pages = {{.data = page, .num_values = entries}}, .num_values = entries}},
        .num_rows = 2};
  };
  EXPECT_THAT(read_error(lists({1, 0, 0}, {2, 2, 2})),
              HasSubstr("the first entry of the column continues a list"));
  EXPECT_THAT(read_error(lists({0, 1, 0}, {2, 1, 2})),
              HasSubstr("an entry continues a list without elements"));
  // An entry continues the empty list before it, also behind the entries that are decoded at a
  // time.
  EXPECT_THAT(read_error(lists({0, 1, 0}, {1, 2, 2})),
              HasSubstr("an entry continues a list without elements"));
  std::vector<std::uint32_t> repetition(1025, 0);
  std::vector<std::uint32_t> definition(1025, 1);
  repetition[1024] = 1;
  definition[1024] = 2;
  HandmadeFile long_column = lists(repetition, definition);
  long_column.num_rows = 1024;
  EXPECT_THAT(read_error(long_column), HasSubstr("an entry continues a list without elements"));
  EXPECT_THAT(read_error(lists({0, 1, 0}, {2, 3, 2})),
              HasSubstr("a definition level is out of range"));
  EXPECT_THAT(read_error(lists({0, 0, 0}, {2, 2, 2})),
              HasSubstr("more rows than the row group: expected 2 rows"));
  EXPECT_THAT(read_error(lists({0, 1, 1}, {2, 2, 2})), HasSubstr("end too early"));
}

// Sizes that the data do not have must not be allocated.
TEST_F(DamagedParquet, WithLyingSizesAllocatesNothing) {
  const std::int64_t before = peak_memory();
  for (const std::int32_t codec : {1, 2, 4, 5, 6, 7}) {
    HandmadeFile made = numbers({{.data = std::string(30, '\x7f'),
                                  .num_values = INT32_MAX,
                                  .uncompressed_size = INT32_MAX}},
                                INT32_MAX);
    made.columns[0].codec = codec;
    EXPECT_THAT(read_error(made), HasSubstr("page 0")) << codec;
  }
  // Snappy's own length can lie, too.
  HandmadeFile made = numbers({{.data = std::string("\xff\xff\xff\xff\x07") + "abc",
                                .num_values = INT32_MAX,
                                .uncompressed_size = INT32_MAX}},
                              INT32_MAX);
  made.columns[0].codec = kSnappyCodec;
  EXPECT_THAT(read_error(made), HasSubstr("the snappy data is damaged"));
  // Few rows cannot have a large page of numbers.
  EXPECT_THAT(
      read_error(numbers({{.data = "x", .num_values = 1, .uncompressed_size = 1 << 30}}, 1)),
      HasSubstr("the page is too large for its number of values"));
  EXPECT_LT(peak_memory() - before, 256 << 20);
}

TEST_F(DamagedParquet, WithAFalseChecksumIsRefused) {
  // Every bit of the pages' data is covered; the rest of the bytes are their headers.
  const std::string bytes = golden_bytes("scalars_plain_gzip.parquet");
  std::uint32_t footer = 0;
  std::memcpy(&footer, bytes.data() + bytes.size() - 8, sizeof(footer));
  const std::size_t end = bytes.size() - 8 - footer;
  std::size_t refused = 0;
  for (std::size_t i = 4; i < end; ++i) {
    const auto text = read_all(with_flip(bytes, i, 0x10));
    refused += text.find("the checksum of the page is wrong") != std::string::npos;
  }
  EXPECT_GT(refused, end / 2);
}

TEST_F(DamagedParquet, IsReadOrRefusedAtEveryTruncationAndByte) {
  for (const char* name :
       {"lists.parquet", "required_v2.parquet", "lists_v2_zstd.parquet", "encodings_1.parquet"}) {
    const std::string bytes = golden_bytes(name);
    ASSERT_GT(bytes.size(), 1000u);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_NE(read_all(bytes.substr(0, size)), "") << name << " " << size;
    }
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      for (const int bits : {0x01, 0x80, 0xff}) {
        read_all(with_flip(bytes, i, bits));
        ASSERT_FALSE(HasFailure()) << name << " byte " << i;
      }
    }
  }
}

}  // namespace
}  // namespace roboimi::parquet
