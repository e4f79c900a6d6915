// Hostile and unusual data in the DELTA encodings and BYTE_STREAM_SPLIT. Sound data is in the
// golden files.
#include <gmock/gmock.h>

#include "roboimi/io/parquet/reader.h"
#include "tests/error_text.h"
#include "tests/reference/run_reference.h"
#include "tests/unit/io/parquet/handmade.h"

namespace roboimi::parquet {
namespace {

using testing::HasSubstr;

std::string varint(std::uint64_t number) {
  std::string bytes;
  for (; number >= 0x80; number >>= 7) bytes += static_cast<char>((number & 0x7f) | 0x80);
  return bytes + static_cast<char>(number);
}

std::string zigzag(std::int64_t number) {
  const auto bits = static_cast<std::uint64_t>(number);
  return varint(bits << 1 ^ (0 - (bits >> 63)));
}

struct Delta {
  std::uint64_t block = 128;
  std::uint64_t miniblocks = 4;
  std::uint64_t count = 3;
  std::int64_t first = 5;
};

// The header, and what follows it.
std::string delta(const Delta& header, const std::string& blocks = "") {
  return varint(header.block) + varint(header.miniblocks) + varint(header.count) +
         zigzag(header.first) + blocks;
}

// A block of 128 values with the widths of its four miniblocks.
std::string block(std::int64_t smallest, const std::string& widths, const std::string& bodies) {
  return zigzag(smallest) + widths + bodies;
}

// `count` lengths that are all the same.
std::string lengths(std::uint64_t count, std::int64_t length) {
  return delta({.count = count, .first = length}, block(0, std::string(4, '\0'), ""));
}

class ParquetDelta : public testing::Test {
 protected:
  Reader table_of(const std::string& data, std::int32_t rows, std::int32_t type,
                  std::int32_t encoding) {
    const HandmadeFile made{
        .nodes = {{.name = "x", .repetition = kRequired, .type = type}},
        .columns = {{.pages = {{.data = data, .num_values = rows, .encoding = encoding}},
                     .num_values = rows,
                     .type = type}},
        .num_rows = rows};
    write_bytes(folder_.path() / "x.parquet", file_bytes(made));
    return Reader(folder_.path() / "x.parquet");
  }
  std::vector<std::int64_t> integers(const std::string& data, std::int32_t rows,
                                     std::int32_t type = kInt64Type) {
    return table_of(data, rows, type, kDeltaBinaryPacked).read_integers("x", 0, rows);
  }
  std::string integer_error(const std::string& data, std::int32_t rows = 3,
                            std::int32_t type = kInt64Type) {
    return error_text([&] { integers(data, rows, type); });
  }
  std::vector<std::string> strings(const std::string& data, std::int32_t rows,
                                   std::int32_t encoding) {
    return table_of(data, rows, kByteArrayType, encoding).read_strings("x", 0, rows);
  }
  std::string string_error(const std::string& data, std::int32_t rows, std::int32_t encoding) {
    return error_text([&] { strings(data, rows, encoding); });
  }

  ReferenceFolder folder_{"parquet_delta"};
};

TEST_F(ParquetDelta, SumsWrapAround) {
  const std::string no_bits(4, '\0');
  EXPECT_EQ(integers(delta({.first = INT64_MAX}, block(1, no_bits, "")), 3),
            (std::vector<std::int64_t>{INT64_MAX, INT64_MIN, INT64_MIN + 1}));
  EXPECT_EQ(integers(delta({.first = INT32_MAX}, block(1, no_bits, "")), 3, kInt32Type),
            (std::vector<std::int64_t>{INT32_MAX, INT32_MIN, INT32_MIN + 1}));
  // Differences of all 64 bits: 2^64 - 1 above INT64_MIN is INT64_MAX, one below 0 after it.
  EXPECT_EQ(integers(delta({.first = 0}, block(INT64_MIN, std::string("\x40\0\0\0", 4),
                                               std::string(32 * 8, '\xff'))),
                     3),
            (std::vector<std::int64_t>{0, INT64_MAX, -2}));
}

TEST_F(ParquetDelta, WithoutPaddingIsRead) {
  // Two differences of 12 bits, 1 and 3, in three bytes instead of 48. The widths of miniblocks
  // that are not needed may be anything.
  const std::string cut = block(10, "\x0c\xff\xff\xff", std::string("\x01\x30\0", 3));
  EXPECT_EQ(integers(delta({.first = 5}, cut), 3), (std::vector<std::int64_t>{5, 16, 29}));
  EXPECT_THAT(integer_error(delta({.first = 5}, cut.substr(0, cut.size() - 1))),
              HasSubstr("the data ends inside the differences: expected 3 bytes; found 2"));
  EXPECT_EQ(integers(delta({.count = 1, .first = -8}), 1), (std::vector<std::int64_t>{-8}));
}

TEST_F(ParquetDelta, WithAFalseHeaderIsRefused) {
  for (const Delta& header :
       {Delta{.block = 0}, Delta{.block = 100}, Delta{.miniblocks = 0}, Delta{.miniblocks = 8},
        Delta{.miniblocks = UINT64_MAX}, Delta{.block = UINT64_MAX - 127}}) {
    EXPECT_THAT(integer_error(delta(header)),
                HasSubstr("page 0: the blocks of differences have a wrong size: expected "
                          "miniblocks of a multiple of 32 values"));
  }
  EXPECT_THAT(integer_error(delta({.count = 4})),
              HasSubstr("the data states more values than the page: expected 3; found 4"));
  EXPECT_THAT(integer_error(delta({.count = UINT64_MAX})), HasSubstr("states more values"));
  EXPECT_THAT(integer_error(delta({.count = 2}, block(0, std::string(4, '\0'), ""))),
              HasSubstr("there are fewer values than the page states: expected 3 more; found 2"));
  EXPECT_THAT(integer_error(""), HasSubstr("there are fewer values than the page states"));
  EXPECT_THAT(integer_error(std::string(30, '\xff')), HasSubstr("does not end"));
}

TEST_F(ParquetDelta, WithFalseBlocksIsRefused) {
  EXPECT_THAT(integer_error(delta({})), HasSubstr("does not end"));
  EXPECT_THAT(integer_error(delta({}, zigzag(0) + "xx")),
              HasSubstr("the data ends inside the bit widths of differences"));
  EXPECT_THAT(
      integer_error(delta({}, block(0,
                                    "\x41"
                                    "aaa",
                                    std::string(1000, 'x')))),
      HasSubstr("the bit width of differences is too large: expected at most 64; found 65"));
  EXPECT_THAT(integer_error(delta({}, block(0,
                                            "\x21"
                                            "aaa",
                                            std::string(1000, 'x'))),
                            3, kInt32Type),
              HasSubstr("expected at most 32; found 33"));
}

// A few bytes can stand for billions of equal values.
TEST_F(ParquetDelta, OfManyEqualValuesIsPassedOverQuickly) {
  constexpr std::int32_t kRows = 2000000000;
  const std::string data = delta({.block = std::uint64_t{1} << 31, .miniblocks = 1, .count = kRows},
                                 zigzag(1) + std::string(1, '\0'));
  const Reader table = table_of(data, kRows, kInt64Type, kDeltaBinaryPacked);
  EXPECT_EQ(table.read_integers("x", 1000, 2), (std::vector<std::int64_t>{1005, 1006}));
  const Reader limited(table.file(), {.max_bytes = 1 << 20});
  EXPECT_THAT(error_text([&] { limited.read("x", 0, kRows); }),
              HasSubstr("take more memory than the limit"));
  EXPECT_THAT(string_error(lengths(kRows, -1), kRows, kDeltaLengthByteArray),
              HasSubstr("does not end"));
}

TEST_F(ParquetDelta, WithFalseLengthsIsRefused) {
  EXPECT_EQ(strings(lengths(3, 2) + "aabbcc", 3, kDeltaLengthByteArray),
            (std::vector<std::string>{"aa", "bb", "cc"}));
  EXPECT_THAT(string_error(lengths(3, 2) + "aabbc", 3, kDeltaLengthByteArray),
              HasSubstr("the data ends inside a string: expected 2 bytes; found 1"));
  EXPECT_THAT(string_error(lengths(3, -2) + "aabbc", 3, kDeltaLengthByteArray),
              HasSubstr("the length of a string is negative: found -2"));
  EXPECT_THAT(string_error(lengths(3, INT32_MAX) + "a", 3, kDeltaLengthByteArray),
              HasSubstr("the data ends inside a string"));
}

TEST_F(ParquetDelta, WithFalsePrefixesIsRefused) {
  const std::string prefixes = delta({.first = 0}, block(1, std::string(4, '\0'), ""));  // 0, 1, 2
  EXPECT_EQ(strings(prefixes + lengths(3, 2) + "abcdef", 3, kDeltaByteArray),
            (std::vector<std::string>{"ab", "acd", "acef"}));
  EXPECT_THAT(string_error(lengths(3, 1) + lengths(3, 2) + "abcdef", 3, kDeltaByteArray),
              HasSubstr("a string shares more bytes than the one before has: expected 0; found 1"));
  EXPECT_THAT(string_error(lengths(3, -1) + lengths(3, 2) + "abcdef", 3, kDeltaByteArray),
              HasSubstr("the length of a shared start is negative: found -1"));
  EXPECT_THAT(string_error(prefixes + lengths(2, 2) + "abcdef", 3, kDeltaByteArray),
              HasSubstr("there are fewer values"));
  EXPECT_THAT(string_error(prefixes, 3, kDeltaByteArray), HasSubstr("there are fewer values"));
}

// 129 strings of a megabyte, each the same as the one before.
TEST_F(ParquetDelta, OfLongRepeatedStringsIsBoundedInMemory) {
  constexpr std::uint32_t kLength = 1 << 20;
  const std::string widths(4, '\x20');
  std::vector<std::uint32_t> prefixes(128, 0);
  prefixes[0] = kLength;
  std::vector<std::uint32_t> suffixes(128, kLength);
  suffixes[0] = 0;
  const std::string data =
      delta({.count = 129, .first = 0}, block(0, widths, plain_bytes(prefixes))) +
      delta({.count = 129, .first = kLength},
            block(-std::int64_t{kLength}, widths, plain_bytes(suffixes))) +
      std::string(kLength, 'x');
  const Reader all = table_of(data, 129, kByteArrayType, kDeltaByteArray);
  EXPECT_EQ(all.read_strings("x", 128, 1)[0], std::string(kLength, 'x'));
  const Reader limited(all.file(), {.max_bytes = 8 << 20});
  EXPECT_EQ(limited.read_strings("x", 100, 3).size(), 3u);
  EXPECT_THAT(error_text([&] { limited.read("x", 0, 129); }),
              HasSubstr("take more memory than the limit of one call"));
}

TEST_F(ParquetDelta, BytesThatAreSplitMustBeComplete) {
  EXPECT_THAT(error_text([&] {
                table_of(std::string(15, '\0'), 2, kInt64Type, kByteStreamSplit).read("x", 0, 2);
              }),
              HasSubstr("the data ends inside the values: expected a multiple of 8 bytes; found"));
  EXPECT_THAT(error_text([&] {
                table_of(std::string(16, '\0'), 3, kInt64Type, kByteStreamSplit).read("x", 0, 3);
              }),
              HasSubstr("the data ends inside the values"));
}

}  // namespace
}  // namespace roboimi::parquet
