// The boxes at the top level of an MP4 or MOV file: its type, index (moov) and frames (mdat).
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace roboimi {

// A file for reading its boxes: unbuffered, because the headers lie far apart.
std::ifstream open_unbuffered(const std::filesystem::path& file);

// ISO/IEC 14496-12, "Object structure".
struct Mp4Box {
  std::uint64_t size = 0;  // with its header; 0: to the end of the file
  std::string type;        // four characters
};

// The box that begins at `offset`. Nothing if the file ends there, or if its size is impossible.
std::optional<Mp4Box> mp4_box_at(std::ifstream& in, std::uint64_t offset);

// Bytes [begin, end) of a file.
struct ByteRange {
  std::uint64_t begin = 0, end = 0;
};

// The contents of the 'mdat' boxes of a file of `size` bytes, ascending. Empty for other formats.
std::vector<ByteRange> mp4_payload(std::ifstream& in, std::uint64_t size);

// Whether the bytes may be the first 8 of an MP4 or MOV file.
bool is_mp4_start(std::string_view bytes);

// Up to `size` bytes from `offset`.
std::string bytes_at(std::ifstream& in, std::uint64_t offset, std::size_t size);

std::uint64_t big_endian(std::string_view bytes);

}  // namespace roboimi
