// Compression of pages. Internal to io/parquet.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "roboimi/io/parquet/bytes.h"

namespace roboimi::parquet {

// Whether decompress() knows a codec, by its number in the format.
bool is_known_codec(std::int32_t codec);

// Decompresses a page to `size` bytes at the start of `out`, which only grows, so that it can be
// reused. Memory is allocated only as data is decompressed, so a wrong `size` allocates nothing.
// Throws Error if the data is damaged or has a different size.
Bytes decompress(std::int32_t codec, Bytes data, std::size_t size, std::vector<std::uint8_t>& out);

// The compressed bytes. Throws Error if a library fails.
std::string compress(std::int32_t codec, std::string_view data);

}  // namespace roboimi::parquet
