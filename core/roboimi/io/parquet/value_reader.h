// Decoders of PLAIN values, BYTE_STREAM_SPLIT and dictionary indices. T is one of the types in
// parquet::Values; booleans are bytes. Internal to io/parquet.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "roboimi/io/parquet/bytes.h"
#include "roboimi/io/parquet/hybrid.h"

namespace roboimi::parquet {

// The memory that a call may still fill. A few bytes of a damaged file can stand for billions of
// equal values.
class Budget {
 public:
  explicit Budget(std::int64_t bytes) : limit_(static_cast<std::uint64_t>(bytes)), left_(limit_) {}

  // Throws Error if `count` items of `size` bytes exceed the rest.
  void use(std::uint64_t count, std::uint64_t size) {
    if (count > left_ / size) {
      fail("the values take more memory than the limit of one call",
           "at most " + std::to_string(limit_) + " bytes", "", "read fewer rows at a time");
    }
    left_ -= count * size;
  }
  std::int64_t limit() const { return static_cast<std::int64_t>(limit_); }

 private:
  std::uint64_t limit_;
  std::uint64_t left_;
};

// PLAIN numbers, one after the other.
template <typename T>
class PlainReader {
 public:
  explicit PlainReader(Bytes data) : rest_(data) {}

  void read(T* out, std::size_t count, Budget& /*budget*/) {
    if (count == 0) return;
    const Bytes bytes = take(rest_, count * sizeof(T), "the values");
    std::memcpy(out, bytes.data(), bytes.size());
  }
  void skip(std::size_t count) { take(rest_, count * sizeof(T), "the values"); }

 private:
  Bytes rest_;
};

// PLAIN booleans, a bit each.
template <>
class PlainReader<std::uint8_t> {
 public:
  explicit PlainReader(Bytes data) : data_(data) {}

  void read(std::uint8_t* out, std::size_t count, Budget& /*budget*/) {
    const std::size_t first = position_;
    skip(count);
    for (std::size_t i = 0; i < count; ++i) {
      out[i] = data_[(first + i) / 8] >> ((first + i) % 8) & 1;
    }
  }
  void skip(std::size_t count) {
    position_ += count;
    if (position_ > data_.size() * 8) fail("the data ends inside the values");
  }

 private:
  Bytes data_;
  std::size_t position_ = 0;
};

// PLAIN strings, each after its length.
template <>
class PlainReader<std::string> {
 public:
  explicit PlainReader(Bytes data) : rest_(data) {}

  void read(std::string* out, std::size_t count, Budget& budget) {
    for (std::size_t i = 0; i < count; ++i) {
      const Bytes bytes = next();
      budget.use(bytes.size(), 1);
      out[i].assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
  }
  void skip(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) next();
  }

 private:
  Bytes next() { return take(rest_, take_length(rest_, "a string's length"), "a string"); }

  Bytes rest_;
};

// PLAIN strings of one length.
class FixedReader {
 public:
  FixedReader(Bytes data, std::size_t length) : rest_(data), length_(length) {}

  void read(std::string* out, std::size_t count, Budget& budget) {
    budget.use(count, length_);
    for (std::size_t i = 0; i < count; ++i) {
      const Bytes bytes = take(rest_, length_, "the values");
      out[i].assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
  }
  void skip(std::size_t count) { take(rest_, count * length_, "the values"); }

 private:
  Bytes rest_;
  std::size_t length_;
};

// BYTE_STREAM_SPLIT: the first bytes of all values, then their second bytes, and so on. T: a
// number, or a string of `length` bytes.
template <typename T>
class SplitReader {
 public:
  explicit SplitReader(Bytes data, std::size_t length = sizeof(T))
      : data_(data), length_(length), values_(data.size() / length) {
    if (data.size() % length == 0) return;
    fail("the data ends inside the values", "a multiple of " + std::to_string(length) + " bytes",
         std::to_string(data.size()));
  }

  void read(T* out, std::size_t count, Budget& budget) {
    const std::size_t first = position_;
    skip(count);
    if constexpr (std::is_same_v<T, std::string>) {
      budget.use(count, length_);
      for (std::size_t i = 0; i < count; ++i) {
        out[i].resize(length_);
        copy(reinterpret_cast<std::uint8_t*>(out[i].data()), first + i, length_);
      }
    } else {
      auto* const bytes = reinterpret_cast<std::uint8_t*>(out);
      for (std::size_t i = 0; i < count; ++i) copy(bytes + i * sizeof(T), first + i, sizeof(T));
    }
  }
  void skip(std::size_t count) {
    if (count > values_ - position_) fail("the data ends inside the values");
    position_ += count;
  }

 private:
  void copy(std::uint8_t* out, std::size_t index, std::size_t length) const {
    for (std::size_t k = 0; k < length; ++k) out[k] = data_[k * values_ + index];
  }

  Bytes data_;
  std::size_t length_;
  std::size_t values_;
  std::size_t position_ = 0;
};

// Indices into the values of a dictionary page.
template <typename T>
class DictionaryReader {
 public:
  // The data begins with the bit width of the indices. `dictionary` must outlive the reader.
  DictionaryReader(Bytes data, const std::vector<T>& dictionary) : dictionary_(dictionary) {
    // Pages of nulls may be empty.
    const int bit_width = data.empty() ? 0 : take(data, 1, "the bit width")[0];
    indices_ = HybridReader(data, bit_width, "dictionary indices");
  }

  void read(T* out, std::size_t count, Budget& budget) {
    std::array<std::uint32_t, 1024> indices;
    while (count > 0) {
      const std::size_t now = std::min(count, indices.size());
      indices_.read(indices.data(), now);
      std::uint32_t largest = 0;
      for (std::size_t i = 0; i < now; ++i) largest = std::max(largest, indices[i]);
      if (largest >= dictionary_.size()) {
        fail("a dictionary index is out of range",
             "less than " + std::to_string(dictionary_.size()), std::to_string(largest));
      }
      for (std::size_t i = 0; i < now; ++i) {
        const T& value = dictionary_[indices[i]];
        if constexpr (std::is_same_v<T, std::string>) budget.use(value.size(), 1);
        out[i] = value;
      }
      out += now;
      count -= now;
    }
  }
  void skip(std::size_t count) { indices_.skip(count); }

 private:
  const std::vector<T>& dictionary_;
  HybridReader indices_;
};

}  // namespace roboimi::parquet
