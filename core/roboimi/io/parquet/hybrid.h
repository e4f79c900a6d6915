// The RLE / bit-packing hybrid, in which Parquet stores levels, dictionary indices and, in pages of
// version 2, booleans: runs of equal values, and groups of eight values of `bit_width` bits.
// Internal to io/parquet.
// Format: https://parquet.apache.org/docs/file-format/data-pages/encodings/#RLE
#pragma once

#include "roboimi/io/parquet/bytes.h"

namespace roboimi::parquet {

// The number of bits of the numbers 0 to `largest`.
int bit_width_of(std::uint64_t largest);

class HybridReader {
 public:
  HybridReader() = default;
  // `what` names the values in errors. Throws Error if the width is more than 32.
  HybridReader(Bytes data, int bit_width, const char* what);

  // The next `count` values. Throws Error if there are fewer. T: uint8_t or uint32_t.
  template <typename T>
  void read(T* out, std::size_t count);
  void skip(std::size_t count);

 private:
  void next_run();
  template <typename T>
  void unpack(T* out, std::size_t count) const;

  Bytes rest_;  // after the current run
  int bit_width_ = 0;
  const char* what_ = "values";
  std::uint64_t run_ = 0;  // values left in the current run
  bool is_packed_ = false;
  std::uint32_t repeated_ = 0;       // the value of a run of equal values
  Bytes packed_;                     // the groups of a packed run
  std::size_t packed_position_ = 0;  // index of the next value in them
};

}  // namespace roboimi::parquet
