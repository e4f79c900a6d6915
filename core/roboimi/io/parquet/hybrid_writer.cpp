#include "roboimi/io/parquet/hybrid_writer.h"

#include <algorithm>

#include "roboimi/io/parquet/thrift_writer.h"

namespace roboimi::parquet {
namespace {

constexpr std::size_t kGroup = 8;  // values of a bit-packed group

// The number of equal values at the start.
std::size_t run_length(std::span<const std::uint32_t> values, std::size_t at_most) {
  std::size_t length = 0;
  while (length < std::min(values.size(), at_most) && values[length] == values[0]) ++length;
  return length;
}

void append_run(std::string& out, std::uint32_t value, std::size_t length, int bit_width) {
  append_varint(out, length << 1);
  for (int bit = 0; bit < bit_width; bit += 8) out += static_cast<char>(value >> bit);
}

// Packs values, and zeros up to a whole group.
void append_groups(std::string& out, std::span<const std::uint32_t> values, int bit_width) {
  const std::size_t groups = (values.size() + kGroup - 1) / kGroup;
  append_varint(out, groups << 1 | 1);
  std::uint64_t word = 0;
  int bits = 0;
  for (std::size_t i = 0; i < groups * kGroup; ++i) {
    word |= (i < values.size() ? std::uint64_t{values[i]} : 0) << bits;
    for (bits += bit_width; bits >= 8; bits -= 8, word >>= 8) out += static_cast<char>(word);
  }
}

}  // namespace

void append_hybrid(std::string& out, std::span<const std::uint32_t> values, int bit_width) {
  while (!values.empty()) {
    const std::size_t run = run_length(values, values.size());
    if (run >= kGroup) {
      append_run(out, values[0], run, bit_width);
      values = values.subspan(run);
      continue;
    }
    // Count the groups before the next run that is long enough for its own header.
    std::size_t packed = 0;
    while (packed < values.size() && run_length(values.subspan(packed), kGroup) < kGroup) {
      packed += std::min(kGroup, values.size() - packed);
    }
    append_groups(out, values.first(packed), bit_width);
    values = values.subspan(packed);
  }
}

}  // namespace roboimi::parquet
