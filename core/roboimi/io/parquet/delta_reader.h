// Decoders of the encodings that store differences: numbers, lengths of strings, and strings that
// begin like the one before. T is one of the types in parquet::Values. Internal to io/parquet.
// Format: https://parquet.apache.org/docs/file-format/data-pages/encodings/
#pragma once

#include <cstdint>
#include <string>

#include "roboimi/io/parquet/bytes.h"
#include "roboimi/io/parquet/value_reader.h"

namespace roboimi::parquet {

// DELTA_BINARY_PACKED: blocks of a smallest difference and of miniblocks, in which what exceeds it
// takes a fixed number of bits. Sums wrap around, as in the format. T: int32_t or int64_t.
template <typename T>
class DeltaReader {
 public:
  DeltaReader() = default;
  // Throws Error if the data states more than `max_values` values. Pages of nulls may be empty.
  DeltaReader(Bytes data, std::size_t max_values);

  // The next `count` values. Throws Error if there are fewer.
  void read(T* out, std::size_t count);
  void read(T* out, std::size_t count, Budget& /*budget*/) { read(out, count); }
  void skip(std::size_t count);

  std::size_t left() const { return left_; }  // values
  Bytes behind() const;                       // the data behind the last value

 private:
  void check_left(std::size_t count) const;
  void next_miniblock();
  // Removes the first value, which the header holds, if it is next and `count`, which then becomes
  // one smaller, is not 0. Returns whether it did.
  bool take_first(std::size_t& count);
  // Removes up to `count` differences from the current miniblock, or from the next one, and returns
  // their number.
  std::size_t take_differences(std::size_t count);

  Bytes rest_;  // after the current miniblock
  std::size_t left_ = 0;
  std::uint64_t value_ = 0;  // the last one, or the first one before it was read
  bool is_at_first_ = true;
  std::uint64_t smallest_ = 0;        // difference of the block
  std::size_t num_miniblocks_ = 0;    // of a block
  std::size_t miniblock_values_ = 0;  // of a miniblock
  Bytes widths_;                      // bits of a difference, in the block's next miniblocks
  int width_ = 0;                     // in the current miniblock
  Bytes packed_;                      // its data
  std::size_t position_ = 0;          // index of the next difference in it
  std::size_t miniblock_left_ = 0;    // differences
};

// DELTA_LENGTH_BYTE_ARRAY: the lengths of all strings, and then their bytes.
class DeltaLengthReader {
 public:
  DeltaLengthReader() = default;
  DeltaLengthReader(Bytes data, std::size_t max_values);

  Bytes next();
  void read(std::string* out, std::size_t count, Budget& budget);
  void skip(std::size_t count);

 private:
  DeltaReader<std::int32_t> lengths_;
  Bytes rest_;
};

// DELTA_BYTE_ARRAY: for each string the number of bytes that it shares with the start of the string
// before, and the bytes after these.
class DeltaStringReader {
 public:
  // A `length` above 0 is that of every string.
  DeltaStringReader(Bytes data, std::size_t max_values, std::size_t length);

  void read(std::string* out, std::size_t count, Budget& budget);
  void skip(std::size_t count);

 private:
  void next();

  DeltaReader<std::int32_t> prefixes_;
  DeltaLengthReader suffixes_;
  std::size_t length_;
  std::string value_;
};

}  // namespace roboimi::parquet
