#include "roboimi/io/mp4_boxes.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace roboimi {

std::ifstream open_unbuffered(const std::filesystem::path& file) {
  std::ifstream in;
  in.rdbuf()->pubsetbuf(nullptr, 0);
  in.open(file, std::ios::binary);
  return in;
}

std::string bytes_at(std::ifstream& in, std::uint64_t offset, std::size_t size) {
  std::string bytes(size, '\0');
  in.clear();
  in.seekg(static_cast<std::streamoff>(offset));
  in.read(bytes.data(), static_cast<std::streamsize>(size));
  bytes.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  return bytes;
}

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<std::uint8_t>(byte);
  return value;
}

// Size, type, and a 64-bit size if the first one is 1.
std::optional<Mp4Box> mp4_box_at(std::ifstream& in, std::uint64_t offset) {
  const std::string header = bytes_at(in, offset, 16);
  if (header.size() < 8) return std::nullopt;
  const std::string_view bytes = header;
  Mp4Box box{.size = big_endian(bytes.substr(0, 4)), .type = header.substr(4, 4)};
  std::uint64_t smallest = 8;
  if (box.size == 1 && bytes.size() == 16) {
    box.size = big_endian(bytes.substr(8, 8));
    smallest = 16;
  }
  if (box.size != 0 && box.size < smallest) return std::nullopt;
  return box;
}

bool is_mp4_start(std::string_view bytes) {
  constexpr std::array<std::string_view, 5> kFirst = {"ftyp", "moov", "mdat", "wide", "free"};
  return bytes.size() >= 8 &&
         std::find(kFirst.begin(), kFirst.end(), bytes.substr(4, 4)) != kFirst.end();
}

std::vector<ByteRange> mp4_payload(std::ifstream& in, std::uint64_t size) {
  constexpr std::uint64_t kLongestHeader = 16;
  std::vector<ByteRange> ranges;
  if (!is_mp4_start(bytes_at(in, 0, 8))) return ranges;
  std::uint64_t offset = 0;
  while (offset < size) {
    const std::optional<Mp4Box> box = mp4_box_at(in, offset);
    if (!box) break;
    const bool is_last = box->size == 0 || box->size > size - offset;
    const std::uint64_t end = is_last ? size : offset + box->size;
    if (box->type == "mdat" && end - offset > kLongestHeader) {
      ranges.push_back({.begin = offset + kLongestHeader, .end = end});
    }
    offset = end;
  }
  return ranges;
}

}  // namespace roboimi
