// Random tables against pyarrow, both ways. Needs .venv-references (scripts/test.sh --references).
#include <gtest/gtest.h>

#include <random>

#include "roboimi/io/parquet/writer.h"
#include "tests/reference/run_reference.h"
#include "tests/unit/io/parquet/table_json.h"

namespace roboimi::parquet {
namespace {

namespace fs = std::filesystem;

class ParquetReferences : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(references_python())) {
      GTEST_SKIP() << "scripts/test.sh --references installs pyarrow in .venv-references";
    }
  }

  std::vector<fs::path> tables() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder_.path())) {
      if (entry.path().extension() == ".parquet") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  ReferenceFolder folder_{"parquet_references"};
};

// Writes the table again, with row groups of some rows.
void write_again(const Reader& table, const fs::path& file, const WriterOptions& options,
                 std::int64_t rows) {
  Writer writer(file, table.columns(), options);
  for (std::int64_t row = 0; row < table.num_rows(); row += rows) {
    std::vector<Values> values;
    for (const Column& column : table.columns()) {
      values.push_back(table.read(column.name, row, std::min(rows, table.num_rows() - row)));
    }
    writer.add_row_group(values);
  }
  writer.close();
}

TEST_F(ParquetReferences, AgreeInBothDirections) {
  constexpr Codec kCodecs[] = {Codec::kNone, Codec::kSnappy, Codec::kGzip, Codec::kZstd};
  constexpr std::int64_t kPages[] = {64, 5000, 1 << 20};
  for (const int seed : {1, 2}) {
    // pyarrow writes, roboimi reads.
    const std::string folder = folder_.path().string();
    run_with_references("parquet_tables.py", "random " + folder + " " + std::to_string(seed));
    const std::vector<fs::path> files = tables();
    ASSERT_GE(files.size(), 90u);
    for (const fs::path& file : files) {
      const Json expected = read_json(fs::path(file).replace_extension(".json"));
      const Json found = table_json(Reader(file));
      ASSERT_TRUE(found.at("rows") == expected.at("rows")) << file << " seed " << seed;
      ASSERT_TRUE(found.at("columns") == expected.at("columns")) << file << " seed " << seed;
    }
    // roboimi writes, pyarrow reads.
    std::mt19937 random(static_cast<unsigned>(seed));
    for (const fs::path& file : files) {
      const WriterOptions options{.codec = kCodecs[random() % 4],
                                  .page_bytes = kPages[random() % 3]};
      const fs::path copy = fs::path(file).replace_extension(".again");
      write_again(Reader(file), copy, options, 1 + random() % 2000);
      fs::rename(copy, file);
    }
    run_with_references("parquet_tables.py", "check " + folder);
  }
}

TEST_F(ParquetReferences, PyarrowReadsStructs) {
  const fs::path file = folder_.path() / "structs.parquet";
  Writer writer(file,
                {{.name = "image.front.bytes", .type = Type::kByteArray},
                 {.name = "image.front.path", .type = Type::kByteArray, .is_text = true},
                 {.name = "index", .type = Type::kInt64}},
                {.structs = {"image.front"}});
  writer.add_row_group({{.values = std::vector<std::string>{"\xff", "b"}},
                        {.values = std::vector<std::string>{"0.png", ""}, .is_null = {0, 1}},
                        {.values = std::vector<std::int64_t>{5, 6}}});
  writer.close();
  run_with_references("parquet_tables.py", "structs " + file.string());
}

TEST_F(ParquetReferences, GoldenFilesAreWhatPyarrowReads) {
  const fs::path golden = fs::path(ROBOIMI_SOURCE_DIR) / "tests/golden/parquet";
  run_with_references("parquet_tables.py", "check " + golden.string());
}

}  // namespace
}  // namespace roboimi::parquet
