// The description of an array in zarr's format 2: the JSON of its .zarray.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/zarr_dataset/store.h"

namespace roboimi::zarr_dataset {

struct ArrayInfo {
  std::string name;                  // "data/img"
  std::vector<std::int64_t> shape;   // rows first
  std::vector<std::int64_t> chunks;  // the shape of a chunk
  at::ScalarType dtype = at::kByte;  // of the stored elements
  std::string dtype_name;            // "float32"
  bool is_big_endian = false;
  bool is_column_major = false;  // order "F" inside chunks
  double fill_value = 0.0;
  std::string codec;                 // "blosc"; empty: uncompressed
  std::vector<std::string> filters;  // their ids
  char separator = '.';              // between the numbers of a chunk's name

  std::int64_t item_size() const;
  std::int64_t chunk_bytes() const;  // of a decoded chunk; at most kMaxChunkBytes
  std::string describe() const;      // "float32 [161, 96, 96, 3]"
};

// Slightly more than the largest buffer that the usual codecs accept.
inline constexpr std::int64_t kMaxChunkBytes = std::int64_t{1} << 31;

// Throws Error, naming the array, for another zarr format, an unsupported dtype, shapes that are
// not valid and chunks of more than kMaxChunkBytes. Any codec is accepted here.
ArrayInfo read_array_info(const Store& store, const std::string& name);

}  // namespace roboimi::zarr_dataset
