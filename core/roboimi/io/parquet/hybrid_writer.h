// Writes the RLE / bit-packing hybrid (see hybrid.h). Internal to io/parquet.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace roboimi::parquet {

// Appends values of `bit_width` bits, as runs of equal values where these are shorter.
void append_hybrid(std::string& out, std::span<const std::uint32_t> values, int bit_width);

}  // namespace roboimi::parquet
