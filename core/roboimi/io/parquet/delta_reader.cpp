#include "roboimi/io/parquet/delta_reader.h"

#include <algorithm>

namespace roboimi::parquet {
namespace {

constexpr std::uint64_t kMaxBlock = std::uint64_t{1} << 31;  // values
constexpr std::size_t kGroup = 32;  // values, of which a miniblock has a multiple

// Signed numbers are stored as 0, -1, 1, -2, ...
std::uint64_t take_zigzag(Bytes& rest) {
  const std::uint64_t number = take_varint(rest);
  return number >> 1 ^ (0 - (number & 1));
}

// The `width` bits from `bit`, at most 64. Bits behind the data are 0.
std::uint64_t bits_at(Bytes data, std::size_t bit, int width) {
  std::uint64_t words[2] = {};
  const std::size_t byte = std::min(bit / 8, data.size());
  if (data.size() - byte >= sizeof(words)) {
    std::memcpy(words, data.data() + byte, sizeof(words));
  } else {
    std::memcpy(words, data.data() + byte, data.size() - byte);
  }
  const std::size_t shift = bit % 8;
  const std::uint64_t high = shift == 0 ? 0 : words[1] << (64 - shift);
  const std::uint64_t mask = width == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << width) - 1;
  return (words[0] >> shift | high) & mask;
}

std::size_t checked_length(std::int32_t length, const char* what) {
  if (length < 0) fail(std::string(what) + " is negative", "", std::to_string(length));
  return static_cast<std::size_t>(length);
}

}  // namespace

template <typename T>
DeltaReader<T>::DeltaReader(Bytes data, std::size_t max_values) : rest_(data) {
  if (data.empty()) return;
  // The header.
  const std::uint64_t block = take_varint(rest_);
  const std::uint64_t miniblocks = take_varint(rest_);
  const std::uint64_t count = take_varint(rest_);
  value_ = take_zigzag(rest_);
  if (block == 0 || block > kMaxBlock || miniblocks == 0 || block % miniblocks != 0 ||
      block / miniblocks % kGroup != 0) {
    fail("the blocks of differences have a wrong size",
         "miniblocks of a multiple of 32 values, at most " + std::to_string(kMaxBlock) + " a block",
         std::to_string(block) + " values in " + std::to_string(miniblocks) + " miniblocks");
  }
  if (count > max_values) {
    fail("the data states more values than the page", std::to_string(max_values),
         std::to_string(count));
  }
  num_miniblocks_ = static_cast<std::size_t>(miniblocks);
  miniblock_values_ = static_cast<std::size_t>(block / miniblocks);
  left_ = static_cast<std::size_t>(count);
}

template <typename T>
void DeltaReader<T>::next_miniblock() {
  if (widths_.empty()) {
    smallest_ = take_zigzag(rest_);
    widths_ = take(rest_, num_miniblocks_, "the bit widths of differences");
  }
  width_ = widths_[0];
  widths_ = widths_.subspan(1);
  constexpr int kMaxWidth = 8 * sizeof(T);
  if (width_ > kMaxWidth) {
    fail("the bit width of differences is too large", "at most " + std::to_string(kMaxWidth),
         std::to_string(width_));
  }
  // Some writers cut off the padding of the last miniblock.
  const std::size_t bytes = miniblock_values_ / 8 * static_cast<std::size_t>(width_);
  const std::size_t needed =
      (std::min(left_, miniblock_values_) * static_cast<std::size_t>(width_) + 7) / 8;
  packed_ = take(rest_, std::clamp(rest_.size(), needed, bytes), "the differences");
  position_ = 0;
  miniblock_left_ = miniblock_values_;
}

template <typename T>
void DeltaReader<T>::check_left(std::size_t count) const {
  if (count <= left_) return;
  fail("there are fewer values than the page states", std::to_string(count) + " more",
       std::to_string(left_));
}

template <typename T>
bool DeltaReader<T>::take_first(std::size_t& count) {
  if (count == 0 || !is_at_first_) return false;
  is_at_first_ = false;
  --left_;
  --count;
  return true;
}

template <typename T>
std::size_t DeltaReader<T>::take_differences(std::size_t count) {
  if (miniblock_left_ == 0) next_miniblock();
  const std::size_t now = std::min(count, miniblock_left_);
  position_ += now;
  miniblock_left_ -= now;
  left_ -= now;
  return now;
}

template <typename T>
void DeltaReader<T>::read(T* out, std::size_t count) {
  check_left(count);
  if (take_first(count)) *out++ = static_cast<T>(value_);
  while (count > 0) {
    const std::size_t now = take_differences(count);
    const auto width = static_cast<std::size_t>(width_);
    std::size_t bit = (position_ - now) * width;
    for (std::size_t i = 0; i < now; ++i, bit += width) {
      value_ += smallest_ + bits_at(packed_, bit, width_);
      out[i] = static_cast<T>(value_);
    }
    out += now;
    count -= now;
  }
}

template <typename T>
void DeltaReader<T>::skip(std::size_t count) {
  check_left(count);
  take_first(count);
  while (count > 0) {
    const std::size_t now = take_differences(count);
    value_ += smallest_ * now;
    const auto width = static_cast<std::size_t>(width_);
    // Differences of 0 bits take no time: a few bytes can stand for billions of them.
    if (width == 0) position_ = 0;
    for (std::size_t bit = (position_ - now) * width; bit < position_ * width; bit += width) {
      value_ += bits_at(packed_, bit, width_);
    }
    count -= now;
  }
}

template <typename T>
Bytes DeltaReader<T>::behind() const {
  DeltaReader end = *this;
  end.skip(left_);
  return end.rest_;
}

template class DeltaReader<std::int32_t>;
template class DeltaReader<std::int64_t>;

DeltaLengthReader::DeltaLengthReader(Bytes data, std::size_t max_values)
    : lengths_(data, max_values), rest_(lengths_.behind()) {}

Bytes DeltaLengthReader::next() {
  std::int32_t length = 0;
  lengths_.read(&length, 1);
  return take(rest_, checked_length(length, "the length of a string"), "a string");
}

void DeltaLengthReader::read(std::string* out, std::size_t count, Budget& budget) {
  for (std::size_t i = 0; i < count; ++i) {
    const Bytes bytes = next();
    budget.use(bytes.size(), 1);
    out[i].assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
}

void DeltaLengthReader::skip(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) next();
}

DeltaStringReader::DeltaStringReader(Bytes data, std::size_t max_values, std::size_t length)
    : prefixes_(data, max_values), suffixes_(prefixes_.behind(), max_values), length_(length) {}

void DeltaStringReader::next() {
  std::int32_t shared = 0;
  prefixes_.read(&shared, 1);
  const std::size_t prefix = checked_length(shared, "the length of a shared start");
  if (prefix > value_.size()) {
    fail("a string shares more bytes than the one before has", std::to_string(value_.size()),
         std::to_string(prefix));
  }
  const Bytes suffix = suffixes_.next();
  value_.resize(prefix);
  value_.append(reinterpret_cast<const char*>(suffix.data()), suffix.size());
  if (length_ > 0 && value_.size() != length_) {
    fail("a value has a wrong length", std::to_string(length_), std::to_string(value_.size()));
  }
}

void DeltaStringReader::read(std::string* out, std::size_t count, Budget& budget) {
  for (std::size_t i = 0; i < count; ++i) {
    next();
    budget.use(value_.size(), 1);
    out[i] = value_;
  }
}

void DeltaStringReader::skip(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) next();
}

}  // namespace roboimi::parquet
