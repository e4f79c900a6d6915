#include "roboimi/io/mp4_boxes.h"

#include <array>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

// ISO/IEC 14496-12, "Object structure": size, type, and a 64-bit size if the first one is 1.
struct Box {
  std::uint64_t size = 0;  // 0: to the end of the file
  std::string type;
};

std::uint64_t big_endian(const char* bytes, int count) {
  std::uint64_t value = 0;
  for (int i = 0; i < count; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  return value;
}

// False if the file has no further box header.
bool read_box(std::ifstream& in, std::uint64_t offset, Box& box) {
  std::array<char, 16> header{};
  in.clear();
  in.seekg(static_cast<std::streamoff>(offset));
  in.read(header.data(), header.size());
  const std::streamsize count = in.gcount();
  if (count < 8) return false;
  box.size = big_endian(header.data(), 4);
  box.type.assign(header.data() + 4, 4);
  if (box.size != 1) return box.size == 0 || box.size >= 8;
  if (count < 16) return false;
  box.size = big_endian(header.data() + 8, 8);
  return box.size >= 16;
}

bool is_first_of_mp4(std::string_view type) {
  return type == "ftyp" || type == "moov" || type == "mdat" || type == "wide" || type == "free";
}

bool holds_frames(std::string_view type) {
  return type == "moov" || type == "mdat" || type == "moof";
}

}  // namespace

void check_mp4_is_complete(const fs::path& file) {
  std::error_code unknown;
  const std::uint64_t size = fs::file_size(file, unknown);
  std::ifstream in(file, std::ios::binary);
  Box box;
  if (unknown || !in || !read_box(in, 0, box) || !is_first_of_mp4(box.type)) return;

  int num_indexes = 0;
  for (std::uint64_t offset = 0; offset < size && read_box(in, offset, box);) {
    if (box.type == "moov") ++num_indexes;
    if (box.size > size - offset) {
      // Recorders may leave other bytes behind the last box.
      if (!holds_frames(box.type) && num_indexes > 0) break;
      throw Error({.what = "the video is cut off (truncated file)",
                   .where = file.string(),
                   .expected = "at least " + std::to_string(offset) + " + " +
                               std::to_string(box.size) + " bytes according to its '" + box.type +
                               "' box",
                   .found = std::to_string(size) + " bytes",
                   .next = "copy the file again; if this is the original, its recorder did not "
                           "finish: record it again"});
    }
    if (box.size == 0) break;
    offset += box.size;
  }
  if (num_indexes == 1) return;
  if (num_indexes == 0) {
    throw Error({.what = "the video has no index",
                 .where = file.string(),
                 .expected = "an MP4 file with a 'moov' box, which a recorder writes at the end",
                 .found = std::to_string(size) + " bytes without one",
                 .next = "the recording was not closed, or the copy was cut off: copy or record "
                         "it again"});
  }
  throw Error({.what = "the file consists of several videos",
               .where = file.string(),
               .expected = "one 'moov' box",
               .found = std::to_string(num_indexes),
               .next = "join videos with ffmpeg -f concat, not by appending their bytes"});
}

}  // namespace roboimi
