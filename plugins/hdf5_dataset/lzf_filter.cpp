// LZF decompression. The format is a sequence of blocks, each with a control byte. A control byte
// below 32 is the number of literal bytes that follow, minus one. Otherwise the block is a copy:
// the upper three bits are its length minus two (if all are set, the next byte is added), and the
// lower five bits with one more byte are the distance back, minus one.
#include "plugins/hdf5_dataset/lzf_filter.h"

#include <hdf5.h>

#include <algorithm>

namespace roboimi::hdf5_dataset {
namespace {

constexpr H5Z_filter_t kLzf = 32000;  // filter number registered with The HDF Group
constexpr std::size_t kLiterals = 32;
constexpr std::size_t kLongCopy = 7;

struct Block {
  bool is_copy = false;
  std::size_t count = 0;     // bytes of output
  std::size_t distance = 0;  // of a copy, back from the end of the output so far
};

// The block at `position`, which advances to the block's literals or to the next block. Empty if
// the block is truncated.
std::optional<Block> next_block(std::span<const std::uint8_t> bytes, std::size_t& position) {
  const std::size_t control = bytes[position++];
  if (control < kLiterals) {
    const std::size_t count = control + 1;
    if (bytes.size() - position < count) return std::nullopt;
    return Block{.is_copy = false, .count = count};
  }
  const bool is_long = control >> 5 == kLongCopy;
  if (bytes.size() - position < (is_long ? 2U : 1U)) return std::nullopt;
  const std::size_t more = is_long ? bytes[position++] : 0;
  const std::size_t low = bytes[position++];
  return Block{.is_copy = true,
               .count = (control >> 5) + more + 2,
               .distance = ((control & 31) << 8 | low) + 1};
}

// HDF5's filter callback: replaces the buffer, or returns 0 if the chunk is damaged. h5py stores
// the chunk's size in the third client value.
std::size_t lzf_filter(unsigned flags, std::size_t num_values, const unsigned values[],
                       std::size_t num_bytes, std::size_t* buffer_size, void** buffer) {
  if ((flags & H5Z_FLAG_REVERSE) == 0) return 0;
  const std::span compressed(static_cast<const std::uint8_t*>(*buffer), num_bytes);
  const std::optional<std::size_t> size = lzf_size(compressed);
  if (!size || *size == 0 || (num_values > 2 && values[2] != 0 && values[2] != *size)) return 0;
  void* const plain = H5allocate_memory(*size, /*clear=*/false);
  if (plain == nullptr) return 0;
  if (!lzf_decompress(compressed, static_cast<std::uint8_t*>(plain))) {
    H5free_memory(plain);
    return 0;
  }
  H5free_memory(*buffer);
  *buffer = plain;
  *buffer_size = *size;
  return *size;
}

}  // namespace

std::optional<std::size_t> lzf_size(std::span<const std::uint8_t> compressed) {
  std::size_t size = 0;
  for (std::size_t position = 0; position < compressed.size();) {
    const auto block = next_block(compressed, position);
    if (!block) return std::nullopt;
    size += block->count;
    if (!block->is_copy) position += block->count;
  }
  return size;
}

bool lzf_decompress(std::span<const std::uint8_t> compressed, std::uint8_t* plain) {
  std::size_t written = 0;
  for (std::size_t position = 0; position < compressed.size();) {
    const auto block = next_block(compressed, position);
    if (!block || (block->is_copy && block->distance > written)) return false;
    if (block->is_copy) {
      // Copied byte by byte, since source and destination may overlap.
      for (std::size_t i = 0; i < block->count; ++i, ++written) {
        plain[written] = plain[written - block->distance];
      }
    } else {
      std::copy_n(compressed.data() + position, block->count, plain + written);
      position += block->count;
      written += block->count;
    }
  }
  return true;
}

bool register_lzf_filter() {
  const H5Z_class2_t filter = {.version = H5Z_CLASS_T_VERS,
                               .id = kLzf,
                               .encoder_present = 0,
                               .decoder_present = 1,
                               .name = "lzf",
                               .can_apply = nullptr,
                               .set_local = nullptr,
                               .filter = lzf_filter};
  return H5Zregister(&filter) >= 0;
}

}  // namespace roboimi::hdf5_dataset
