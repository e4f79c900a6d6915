// Decompression of zarr's chunks.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>

namespace roboimi::zarr_dataset {

// "blosc, zlib, gzip, zstd and none"
inline constexpr char kKnownCodecs[] = "blosc, zlib, gzip, zstd and none";

bool is_known_codec(const std::string& id);  // "" stands for none

// The decompressed bytes, uint8 [size]. Throws Error if the input is damaged or decompresses to the
// wrong size; nothing larger than `size` is allocated for the output. `where` names the chunk.
at::Tensor decompress(const std::string& codec, std::span<const std::uint8_t> bytes,
                      std::int64_t size, const std::string& where);

}  // namespace roboimi::zarr_dataset
