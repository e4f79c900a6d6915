// Reads the compression that h5py calls "lzf", which the HDF5 library itself does not have.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace roboimi::hdf5_dataset {

// Makes HDF5 read chunks of filter 32000. False when the library refuses. Writing is not offered.
bool register_lzf_filter();

// The size of what `compressed` holds; empty when its blocks do not end with it.
std::optional<std::size_t> lzf_size(std::span<const std::uint8_t> compressed);

// Writes lzf_size(compressed) bytes to `plain`. False when a copy reaches before its start.
bool lzf_decompress(std::span<const std::uint8_t> compressed, std::uint8_t* plain);

}  // namespace roboimi::hdf5_dataset
