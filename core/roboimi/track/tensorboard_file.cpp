#include "roboimi/track/tensorboard_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/crc.hpp>
#include <chrono>
#include <cstring>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/origin.h"
#include "roboimi/track/event_format.h"

namespace roboimi {
namespace {

// ---- TFRecord -----------------------------------------------------------------------------------

std::uint32_t masked_crc32c(const std::string& data) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(data.data(), data.size());
  const std::uint32_t value = crc.checksum();
  return ((value >> 15) | (value << 17)) + 0xA282EAD8U;
}

// Little-endian bytes of a number.
template <typename Number>
std::string bytes_of(Number number) {
  static_assert(std::endian::native == std::endian::little);
  std::string bytes(sizeof(number), '\0');
  std::memcpy(bytes.data(), &number, sizeof(number));
  return bytes;
}

std::string record_of(const std::string& data) {
  const std::string length = bytes_of(static_cast<std::uint64_t>(data.size()));
  return length + bytes_of(masked_crc32c(length)) + data + bytes_of(masked_crc32c(data));
}

// ---- Protocol buffers ---------------------------------------------------------------------------

constexpr int kColorspaceRgb = 3;

std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>((value & 0x7F) | 0x80);
  return bytes + static_cast<char>(value);
}

std::string key(int field, int wire_type) {
  return varint(static_cast<std::uint64_t>(field) << 3 | static_cast<std::uint64_t>(wire_type));
}
std::string integer_field(int field, std::int64_t value) {
  return key(field, 0) + varint(static_cast<std::uint64_t>(value));
}
std::string double_field(int field, double value) { return key(field, 1) + bytes_of(value); }
std::string float_field(int field, float value) { return key(field, 5) + bytes_of(value); }
std::string bytes_field(int field, const std::string& value) {
  return key(field, 2) + varint(value.size()) + value;
}

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Width and height from a PNG's first chunk (IHDR).
std::pair<std::int64_t, std::int64_t> png_size(const std::string& png, const std::string& where) {
  constexpr std::string_view kSignature = "\x89PNG\r\n\x1a\n";
  if (png.size() < 24 || png.compare(0, kSignature.size(), kSignature) != 0) {
    throw Error({.what = "not a PNG image", .where = where});
  }
  const auto big_endian = [&](std::size_t at) {
    std::int64_t value = 0;
    for (std::size_t i = at; i < at + 4; ++i)
      value = value << 8 | static_cast<unsigned char>(png[i]);
    return value;
  };
  return {big_endian(16), big_endian(20)};
}

}  // namespace

TensorBoardFile::TensorBoardFile(const std::filesystem::path& folder, std::int64_t resumed_step)
    : path_(folder / fmt::format("{}{}.{}.{}", kEventFilePrefix,
                                 static_cast<std::int64_t>(seconds_now()), host_name(),
                                 ::getpid())),
      file_(path_) {
  write_event(0, kEventFileVersion, "brain.Event:2");
  if (resumed_step > 0) {
    write_event(resumed_step + 1, kEventSessionLog,
                integer_field(kSessionLogStatus, kSessionLogStart));
  }
}

void TensorBoardFile::write_event(std::int64_t step, int field, const std::string& payload) {
  file_.append(record_of(double_field(kEventWallTime, seconds_now()) +
                         integer_field(kEventStep, step) + bytes_field(field, payload)));
}

void TensorBoardFile::scalars(std::int64_t step, const Scalars& values) {
  std::string summary;
  for (const auto& [name, value] : values) {
    summary +=
        bytes_field(kSummaryValue, bytes_field(kValueTag, name) +
                                       float_field(kValueSimpleValue, static_cast<float>(value)));
  }
  write_event(step, kEventSummary, summary);
}

void TensorBoardFile::image(std::int64_t step, const std::string& tag,
                            const std::filesystem::path& png) {
  const std::string encoded = read_text(png);
  const auto [width, height] = png_size(encoded, png.string());
  const std::string image =
      integer_field(kImageHeight, height) + integer_field(kImageWidth, width) +
      integer_field(kImageColorspace, kColorspaceRgb) + bytes_field(kImageEncoded, encoded);
  write_event(
      step, kEventSummary,
      bytes_field(kSummaryValue, bytes_field(kValueTag, tag) + bytes_field(kValueImage, image)));
}

}  // namespace roboimi
