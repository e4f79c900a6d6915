#include "plugins/hdf5_dataset/lzf_filter.h"

#include <gmock/gmock.h>

#include <random>
#include <string>

namespace roboimi::hdf5_dataset {
namespace {

using Bytes = std::vector<std::uint8_t>;

std::string decompressed(const Bytes& compressed) {
  const auto size = lzf_size(compressed);
  if (!size) return "cut off";
  std::string plain(*size, '?');
  if (!lzf_decompress(compressed, reinterpret_cast<std::uint8_t*>(plain.data()))) return "damaged";
  return plain;
}

TEST(LzfFilter, DecodesLiteralsAndCopies) {
  EXPECT_EQ(decompressed({}), "");
  EXPECT_EQ(decompressed({2, 'a', 'b', 'c'}), "abc");
  // Copies three bytes from distance three.
  EXPECT_EQ(decompressed({2, 'a', 'b', 'c', 1 << 5, 2}), "abcabc");
  // Copies ten bytes (7 + 1 + 2, the long form) from distance one.
  EXPECT_EQ(decompressed({0, 'a', 7 << 5, 1, 0}), std::string(11, 'a'));
}

TEST(LzfFilter, RejectsTruncatedInputAndCopiesFromBeforeTheStart) {
  EXPECT_EQ(decompressed({2, 'a', 'b'}), "cut off");
  EXPECT_EQ(decompressed({0, 'a', 1 << 5}), "cut off");
  EXPECT_EQ(decompressed({0, 'a', 7 << 5, 1}), "cut off");
  EXPECT_EQ(decompressed({0, 'a', 1 << 5, 1}), "damaged");
}

TEST(LzfFilter, StaysInsideItsBuffersForRandomBytes) {
  std::mt19937 random(7);
  for (int i = 0; i < 20000; ++i) {
    Bytes bytes(random() % 40);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    const auto size = lzf_size(bytes);
    if (!size) continue;
    Bytes plain(*size + 16, 0xee);
    lzf_decompress(bytes, plain.data());
    EXPECT_THAT(Bytes(plain.begin() + static_cast<std::ptrdiff_t>(*size), plain.end()),
                ::testing::Each(0xee));
  }
}

}  // namespace
}  // namespace roboimi::hdf5_dataset
