#include "roboimi/io/parquet/hybrid.h"

#include <algorithm>
#include <bit>

namespace roboimi::parquet {

namespace {

// A number whose byte i is bit i of `bits`.
std::uint64_t spread_bits(std::uint8_t bits) {
  std::uint64_t bytes = bits;
  bytes = (bytes | bytes << 28) & 0x0000000f0000000f;
  bytes = (bytes | bytes << 14) & 0x0003000300030003;
  return (bytes | bytes << 7) & 0x0101010101010101;
}

}  // namespace

int bit_width_of(std::uint64_t largest) { return std::bit_width(largest); }

HybridReader::HybridReader(Bytes data, int bit_width, const char* what)
    : rest_(data), bit_width_(bit_width), what_(what) {
  if (bit_width > 32) {
    fail(std::string("the bit width of ") + what + " is too large", "at most 32",
         std::to_string(bit_width));
  }
}

void HybridReader::next_run() {
  // Some writers store nothing at all for values of 0 bits.
  if (bit_width_ == 0 && rest_.empty()) {
    is_packed_ = false;
    repeated_ = 0;
    run_ = UINT64_MAX;
    return;
  }
  if (rest_.empty()) fail(std::string("there are fewer ") + what_ + " than the page states");
  const std::uint64_t header = take_varint(rest_);
  is_packed_ = (header & 1) != 0;
  if (!is_packed_) {
    run_ = header >> 1;
    const Bytes value = take(rest_, static_cast<std::uint64_t>((bit_width_ + 7) / 8), what_);
    repeated_ = 0;
    std::memcpy(&repeated_, value.data(), value.size());
    if (bit_width_of(repeated_) > bit_width_) {
      fail(std::string("a run of ") + what_ + " is out of range",
           "at most " + std::to_string(bit_width_) + " bits", std::to_string(repeated_));
    }
    return;
  }
  // Some writers cut off the padding of the last group.
  const std::uint64_t groups = header >> 1;
  const auto width = static_cast<std::uint64_t>(bit_width_);
  const bool is_cut = width > 0 && groups > rest_.size() / width;
  const std::uint64_t bytes = is_cut ? rest_.size() : groups * width;
  run_ = is_cut ? bytes * 8 / width : std::min<std::uint64_t>(groups, UINT64_MAX / 8) * 8;
  packed_ = take(rest_, bytes, what_);
  packed_position_ = 0;
  if (is_cut && run_ == 0) fail(std::string("there are fewer ") + what_ + " than the page states");
}

template <typename T>
void HybridReader::unpack(T* out, std::size_t count) const {
  const auto width = static_cast<std::size_t>(bit_width_);
  const std::uint64_t mask = (std::uint64_t{1} << width) - 1;
  std::size_t bit = packed_position_ * width;
  std::size_t i = 0;
  // Levels of one bit, eight at a time.
  if constexpr (sizeof(T) == 1) {
    for (; width == 1 && bit % 8 == 0 && i + 8 <= count && bit / 8 < packed_.size();
         i += 8, bit += 8) {
      const std::uint64_t bytes = spread_bits(packed_[bit / 8]);
      std::memcpy(out + i, &bytes, 8);
    }
  }
  // Values whose eight bytes lie inside the data.
  for (; i < count && bit / 8 + 8 <= packed_.size(); ++i, bit += width) {
    out[i] = static_cast<T>(load<std::uint64_t>(packed_.data() + bit / 8) >> (bit % 8) & mask);
  }
  // The rest, from a copy with zeros behind it.
  for (; i < count; ++i, bit += width) {
    std::uint64_t word = 0;
    const Bytes end = packed_.subspan(std::min(bit / 8, packed_.size()));
    std::memcpy(&word, end.data(), std::min<std::size_t>(end.size(), 8));
    out[i] = static_cast<T>(word >> (bit % 8) & mask);
  }
}

template <typename T>
void HybridReader::read(T* out, std::size_t count) {
  while (count > 0) {
    if (run_ == 0) next_run();
    const auto now = static_cast<std::size_t>(std::min<std::uint64_t>(run_, count));
    if (is_packed_) {
      unpack(out, now);
      packed_position_ += now;
    } else {
      std::fill_n(out, now, static_cast<T>(repeated_));
    }
    run_ -= now;
    out += now;
    count -= now;
  }
}

template void HybridReader::read(std::uint8_t* out, std::size_t count);
template void HybridReader::read(std::uint32_t* out, std::size_t count);

void HybridReader::skip(std::size_t count) {
  while (count > 0) {
    if (run_ == 0) next_run();
    const auto now = static_cast<std::size_t>(std::min<std::uint64_t>(run_, count));
    if (is_packed_) packed_position_ += now;
    run_ -= now;
    count -= now;
  }
}

}  // namespace roboimi::parquet
