// Decompression of h5py's "lzf" filter, which the HDF5 library does not include.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace roboimi::hdf5_dataset {

// Registers filter 32000 for reading; writing is not supported. False if the library rejects it.
bool register_lzf_filter();

// The decompressed size in bytes; empty if the last block is truncated.
std::optional<std::size_t> lzf_size(std::span<const std::uint8_t> compressed);

// Writes lzf_size(compressed) bytes to `plain`. False if a copy reaches back before its start.
bool lzf_decompress(std::span<const std::uint8_t> compressed, std::uint8_t* plain);

}  // namespace roboimi::hdf5_dataset
