// Decompression of a page, one function for each codec. All decompress to `size` bytes at the start
// of `out`, which only grows, and allocate memory only as data is decompressed. They throw Error,
// without a location, if the data is damaged or has a different size. Internal to io/parquet.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "roboimi/io/parquet/bytes.h"

namespace roboimi::parquet {

void decompress_snappy(Bytes data, std::size_t size, std::vector<std::uint8_t>& out);
void decompress_gzip(Bytes data, std::size_t size, std::vector<std::uint8_t>& out);
void decompress_brotli(Bytes data, std::size_t size, std::vector<std::uint8_t>& out);
void decompress_zstd(Bytes data, std::size_t size, std::vector<std::uint8_t>& out);
// A block of LZ4 without a frame: the codec LZ4_RAW.
void decompress_lz4_raw(Bytes data, std::size_t size, std::vector<std::uint8_t>& out);
// The codec LZ4, whose framing the format does not define: Hadoop's, in which Java programs and
// Arrow write it, LZ4's own, or none, as in files of older programs.
void decompress_lz4(Bytes data, std::size_t size, std::vector<std::uint8_t>& out);

[[noreturn]] void fail_codec(const char* codec, const std::string& found = "");
[[noreturn]] void fail_size(std::size_t size, const std::string& found);

}  // namespace roboimi::parquet
