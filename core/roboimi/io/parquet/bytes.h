// Bounds-checked access to bytes of a Parquet file. Numbers in it are little-endian, as on every
// machine that roboimi runs on. Internal to io/parquet.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace roboimi::parquet {

static_assert(std::endian::native == std::endian::little);

using Bytes = std::span<const std::uint8_t>;

// Throws an Error without a location; the caller, which knows the file and the column, adds it with
// located().
[[noreturn]] void fail(const std::string& what, const std::string& expected = "",
                       const std::string& found = "", const std::string& next = "");

// Removes the first `size` bytes of `rest` and returns them. Throws Error if there are fewer;
// `what` names them in the message.
Bytes take(Bytes& rest, std::uint64_t size, const char* what);

// A number at `data`, which need not be aligned.
template <typename T>
T load(const std::uint8_t* data) {
  T value;
  std::memcpy(&value, data, sizeof(T));
  return value;
}

// Removes and returns a length, stored in four bytes.
std::uint32_t take_length(Bytes& rest, const char* what);

// Removes and returns an unsigned number, stored in groups of seven bits. Throws Error if it is cut
// off or exceeds 64 bits.
std::uint64_t take_varint(Bytes& rest);

}  // namespace roboimi::parquet
