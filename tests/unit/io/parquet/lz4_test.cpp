// The three framings of the codec LZ4. liblz4 makes the blocks, as in the programs that write them.
#include <gmock/gmock.h>
#include <lz4.h>
#include <lz4frame.h>

#include <numeric>

#include "roboimi/io/parquet/reader.h"
#include "tests/error_text.h"
#include "tests/reference/run_reference.h"
#include "tests/unit/io/parquet/handmade.h"

namespace roboimi::parquet {
namespace {

using testing::HasSubstr;

std::vector<std::int64_t> counter() {
  std::vector<std::int64_t> numbers(5000);
  std::iota(numbers.begin(), numbers.end(), 7);
  return numbers;
}

std::string block_of(const std::string& data) {
  std::string out(static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(data.size()))), '\0');
  const int size = LZ4_compress_default(data.data(), out.data(), static_cast<int>(data.size()),
                                        static_cast<int>(out.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

std::string frame_of(const std::string& data) {
  std::string out(LZ4F_compressFrameBound(data.size(), nullptr), '\0');
  out.resize(LZ4F_compressFrame(out.data(), out.size(), data.data(), data.size(), nullptr));
  return out;
}

std::string big_endian(std::size_t number) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift & 0xff);
  return bytes;
}

// A frame of Hadoop with blocks of `block` bytes.
std::string hadoop_of(const std::string& data, std::size_t block) {
  std::string out = big_endian(data.size());
  for (std::size_t i = 0; i < data.size(); i += block) {
    const std::string compressed = block_of(data.substr(i, block));
    out += big_endian(compressed.size()) + compressed;
  }
  return out;
}

class ParquetLz4 : public testing::Test {
 protected:
  // A column "x" of required numbers in one page of these compressed bytes.
  std::filesystem::path file_of(const std::string& compressed, std::int32_t codec = kLz4Codec) {
    const auto rows = static_cast<std::int32_t>(counter().size());
    HandmadeFile made{.nodes = {{.name = "x", .repetition = kRequired}},
                      .columns = {{.pages = {{.data = compressed,
                                              .num_values = rows,
                                              .uncompressed_size = 8 * rows}},
                                   .num_values = rows,
                                   .codec = codec}},
                      .num_rows = rows};
    write_bytes(folder_.path() / "x.parquet", file_bytes(made));
    return folder_.path() / "x.parquet";
  }

  std::vector<std::int64_t> read(const std::filesystem::path& file) {
    const Reader table(file);
    return table.read_integers("x", 0, table.num_rows());
  }

  const std::string data_ = plain_bytes(counter());
  ReferenceFolder folder_{"parquet_lz4"};
};

TEST_F(ParquetLz4, IsReadInEveryFraming) {
  EXPECT_EQ(read(file_of(block_of(data_), kLz4RawCodec)), counter());
  EXPECT_EQ(read(file_of(block_of(data_))), counter());
  EXPECT_EQ(read(file_of(frame_of(data_))), counter());
  EXPECT_EQ(read(file_of(hadoop_of(data_, data_.size()))), counter());
  EXPECT_EQ(read(file_of(hadoop_of(data_, 4096))), counter());
  const std::size_t half = data_.size() / 2;
  EXPECT_EQ(
      read(file_of(hadoop_of(data_.substr(0, half), half) + hadoop_of(data_.substr(half), half))),
      counter());
}

TEST_F(ParquetLz4, IsReadByPyarrowAsWell) {
  if (!std::filesystem::exists(references_python())) {
    GTEST_SKIP() << "scripts/test.sh --references installs pyarrow in .venv-references";
  }
  run_with_references("parquet_tables.py",
                      "counter " + file_of(hadoop_of(data_, data_.size())).string());
}

TEST_F(ParquetLz4, IsRefusedIfItIsDamaged) {
  const auto error = [&](const std::string& compressed, std::int32_t codec = kLz4Codec) {
    return error_text([&] { read(file_of(compressed, codec)); });
  };
  for (const std::string& whole : {block_of(data_), frame_of(data_), hadoop_of(data_, 4096)}) {
    EXPECT_THAT(error(whole.substr(0, whole.size() / 2)), HasSubstr("column 'x', row group 0"));
    EXPECT_THAT(error(whole + "x"), HasSubstr("column 'x', row group 0"));
  }
  EXPECT_THAT(error(block_of(data_ + data_), kLz4RawCodec), HasSubstr("the LZ4 data is damaged"));
  EXPECT_THAT(error(block_of(data_.substr(8)), kLz4RawCodec),
              HasSubstr("the decompressed size is wrong: expected 40000 bytes, as the page states; "
                        "found 39992"));
  EXPECT_THAT(error(frame_of(data_.substr(8))), HasSubstr("found 39992"));
  EXPECT_THAT(error(frame_of(data_ + data_)), HasSubstr("found more"));
  EXPECT_THAT(error("x", kLz4RawCodec), HasSubstr("too few bytes for the stated size"));
}

}  // namespace
}  // namespace roboimi::parquet
