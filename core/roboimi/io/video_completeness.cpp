#include "roboimi/io/video_completeness.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

#include "roboimi/common/error.h"
#include "roboimi/io/mp4_boxes.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

using namespace std::string_view_literals;

Error cut_off(const fs::path& file, const std::string& part, std::uint64_t start,
              std::uint64_t size, std::uint64_t found) {
  return Error({.what = "the video is cut off (truncated file)",
                .where = file.string(),
                .expected = std::to_string(size) + " bytes from byte " + std::to_string(start) +
                            " on, according to its " + part,
                .found = std::to_string(found) + " bytes in total",
                .next = "copy the file again; if this is the original, its recorder did not "
                        "finish: record it again"});
}

bool is_one_of(std::string_view type, std::initializer_list<std::string_view> types) {
  return std::find(types.begin(), types.end(), type) != types.end();
}

void check_mp4(const fs::path& file, std::ifstream& in, std::uint64_t size) {
  int num_indexes = 0;
  std::uint64_t offset = 0;
  while (offset < size) {
    const std::optional<Mp4Box> box = mp4_box_at(in, offset);
    if (!box) break;
    if (box->type == "moov") ++num_indexes;
    if (box->size > size - offset) {
      // Recorders may leave other bytes after the last box.
      if (!is_one_of(box->type, {"moov", "mdat", "moof"}) && num_indexes > 0) break;
      throw cut_off(file, "'" + box->type + "' box", offset, box->size, size);
    }
    if (box->size == 0) break;
    offset += box->size;
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

// RFC 8794, "Variable-Size Integer": the number of leading zeros is the number of further bytes.
struct SizeField {
  std::uint64_t value = 0;
  std::size_t length = 0;
  bool is_unknown = false;  // all bits are set
};

std::optional<SizeField> size_field(std::string_view bytes) {
  if (bytes.empty()) return std::nullopt;
  const auto length =
      static_cast<std::size_t>(std::countl_zero(static_cast<std::uint8_t>(bytes.front()))) + 1;
  if (length > 8 || length > bytes.size()) return std::nullopt;
  const std::uint64_t mask = (std::uint64_t{1} << (7 * length)) - 1;
  const std::uint64_t value = big_endian(bytes.substr(0, length)) & mask;
  return SizeField{.value = value, .length = length, .is_unknown = value == mask};
}

// RFC 9559: a header element, then one segment that holds everything else.
void check_matroska(const fs::path& file, std::ifstream& in, std::uint64_t size) {
  constexpr std::size_t kIdSize = 4;
  const std::string head = bytes_at(in, kIdSize, 8);
  const std::optional<SizeField> header = size_field(head);
  if (!header || header->is_unknown || header->value > size) return;
  const std::uint64_t segment = kIdSize + header->length + header->value;
  const std::string bytes = bytes_at(in, segment, kIdSize + 8);
  if (!bytes.starts_with("\x18\x53\x80\x67"sv)) return;
  const std::optional<SizeField> field = size_field(std::string_view(bytes).substr(kIdSize));
  if (!field || field->is_unknown) return;
  const std::uint64_t start = segment + kIdSize + field->length;
  if (start > size || field->value > size - start) {
    throw cut_off(file, "segment", start, field->value, size);
  }
}

}  // namespace

void check_video_is_complete(const fs::path& file) {
  std::error_code unknown;
  const std::uint64_t size = fs::file_size(file, unknown);
  std::ifstream in = open_unbuffered(file);
  if (unknown || !in) return;
  const std::string head = bytes_at(in, 0, 8);
  if (head.size() < 8) return;
  if (is_mp4_start(head)) {
    check_mp4(file, in, size);
  } else if (head.starts_with("\x1a\x45\xdf\xa3"sv)) {
    check_matroska(file, in, size);
  }
}

}  // namespace roboimi
