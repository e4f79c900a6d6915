#include "plugins/hdf5_dataset/file_state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string_view>

#include "roboimi/common/lfs_pointer.h"
#include "roboimi/common/text.h"

namespace roboimi::hdf5_dataset {
namespace {

namespace fs = std::filesystem;

using namespace std::string_view_literals;

constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n"sv;
constexpr std::size_t kHead = 512;                  // bytes that identify the kind of file
constexpr std::size_t kShownText = 40;              // bytes of a text file that an error shows
constexpr std::uint64_t kLastSuperblock = 1 << 20;  // user blocks are not larger in practice

struct Kind {
  std::string_view start;
  std::string_view name;
  std::string_view next;
};

constexpr std::array kKinds = {
    Kind{kLfsPointerStart, kLfsPointerFound, kLfsPointerNext},
    Kind{"PK\x03\x04"sv, "a zip archive",
         "unpack it, or read a zarr dataset (.zarr.zip) with data=zarr"},
    Kind{"\x1f\x8b"sv, "a gzip archive", "unpack it"},
    Kind{"\x28\xb5\x2f\xfd"sv, "a zstd archive", "unpack it"},
    Kind{"7z\xbc\xaf\x27\x1c"sv, "a 7z archive", "unpack it"},
    Kind{"MATLAB 5.0"sv, "a MATLAB file of version 5",
         "save it again as HDF5, in the layout of the plugin's README"},
    Kind{"\x93NUMPY"sv, "a NumPy array",
         "write an HDF5 file, in the layout of the plugin's README"},
    Kind{"CDF\x01"sv, "a NetCDF file of the classic format", "convert it to HDF5"},
    Kind{"CDF\x02"sv, "a NetCDF file of the classic format", "convert it to HDF5"},
    Kind{"\x0e\x03\x13\x01"sv, "an HDF4 file", "convert it to HDF5"},
    Kind{"PAR1"sv, "a Parquet file", "convert it to HDF5; this plugin reads nothing else"},
    Kind{"\x00\x05\x16\x07"sv, "a macOS metadata file (AppleDouble)", "delete it"},
    Kind{"<!DOCTYPE"sv, "a web page", "download the file itself"},
    Kind{"<html"sv, "a web page", "download the file itself"},
};

// Up to `size` bytes from `offset`.
std::string bytes_at(const fs::path& file, std::uint64_t offset, std::size_t size) {
  std::ifstream in(file, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(offset));
  std::string bytes(size, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(size));
  bytes.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  return bytes;
}

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  }
  return value;
}

// Header fields of an HDF5 file (HDF5 File Format Specification, "Superblock").
struct Superblock {
  std::uint64_t start = 0;  // offset in the file, after a user block
  std::uint64_t end = 0;    // size of the file when it was last flushed; 0: unknown
  bool is_open_for_writing = false;
};

// Searches for the superblock at offsets 0, 512, 1024, 2048, ...
std::optional<Superblock> superblock(const fs::path& file) {
  const std::uint64_t size = fs::file_size(file);
  for (std::uint64_t start = 0; start < size && start <= kLastSuperblock;
       start = start == 0 ? 512 : 2 * start) {
    const std::string bytes = bytes_at(file, start, 96);
    if (!bytes.starts_with(kSignature) || bytes.size() < 48) continue;
    Superblock block{.start = start};
    const int version = bytes[8];
    const bool is_old = version < 2;
    const auto width = static_cast<std::size_t>(static_cast<std::uint8_t>(bytes[is_old ? 13 : 9]));
    if (!is_old) block.is_open_for_writing = version > 2 && (bytes[11] & 0b101) != 0;
    const std::size_t addresses = version == 0 ? 24 : version == 1 ? 28 : 12;
    if (width > 8 || addresses + 3 * width > bytes.size()) return block;
    block.end = little_endian(std::string_view(bytes).substr(addresses + 2 * width, width));
    return block;
  }
  return std::nullopt;
}

// Whether the bytes are UTF-8 without control characters. They may end inside a character.
bool is_text(std::string_view bytes) {
  while (!bytes.empty() && static_cast<unsigned char>(bytes.back()) >= 0x80) bytes.remove_suffix(1);
  return !bytes.empty() && is_utf8(bytes) && std::all_of(bytes.begin(), bytes.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\r' || c == '\t';
  });
}

std::string shown(std::string_view bytes) {
  std::string text(bytes);
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20; }, ' ');
  return printable(text, kShownText);
}

Error not_hdf5(const fs::path& file) {
  const std::string head = bytes_at(file, 0, kHead);
  const auto error = [&](const std::string& found, const std::string& next) {
    return Error({.what = "not an HDF5 file",
                  .where = file.string(),
                  .expected = "an HDF5 file",
                  .found = found,
                  .next = next});
  };

  // Empty files and known formats.
  if (head.empty()) {
    return error("an empty file of 0 bytes",
                 "copy or record the episode again, or delete the file");
  }
  for (const Kind& kind : kKinds) {
    if (head.starts_with(kind.start)) return error(std::string(kind.name), std::string(kind.next));
  }

  // Unknown formats: zeros, text, other bytes.
  if (std::all_of(head.begin(), head.end(), [](char c) { return c == '\0'; })) {
    return error(fmt::format("{} bytes that begin with zeros", fs::file_size(file)),
                 "a copy, a download or the recording did not finish: copy or record it again");
  }
  if (is_text(head)) {
    return error(fmt::format("text that begins with '{}'", shown(head)),
                 "copy the file itself, or delete this one");
  }
  return error(fmt::format("{} bytes of another format", fs::file_size(file)),
               "copy or record the episode again, or delete the file");
}

bool locking_is_off() {
  const char* const variable = std::getenv("HDF5_USE_FILE_LOCKING");
  return variable != nullptr && (variable == "FALSE"sv || variable == "0"sv);
}

}  // namespace

void check_not_being_written(const fs::path& file) {
  if (locking_is_off()) return;
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return;
  // HDF5 holds an exclusive lock while it writes. File systems without locks set another errno.
  const bool is_locked = ::flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(descriptor);
  if (!is_locked) return;
  throw Error({.what = "another program has the file open for writing",
               .where = file.string(),
               .expected = "a finished episode",
               .next = "wait until it is closed, or close it there (a recorder, a notebook)"});
}

Error not_opened(const fs::path& file, const std::string& reason) {
  const std::optional<Superblock> block = superblock(file);
  if (!block) return not_hdf5(file);
  const std::uint64_t size = fs::file_size(file);

  // Shorter than its header states.
  if (block->end > size && block->end != UINT64_MAX) {
    return Error({.what = "the file is cut off (truncated file)",
                  .where = file.string(),
                  .expected = fmt::format("{} bytes according to its header", block->end),
                  .found = fmt::format("{} bytes", size),
                  .next = "copy the file again; if this is the original, its recorder did not "
                          "finish: record the episode again"});
  }

  // Not closed by its recorder.
  if (block->is_open_for_writing) {
    return Error({.what = "the file is marked as open for writing",
                  .where = file.string(),
                  .expected = "a file that its recorder closed",
                  .found = "the mark of a recorder that is still running or did not close the file",
                  .next = fmt::format("keep the file; if no program is writing it, clear the mark: "
                                      "h5clear -s {} (package hdf5-tools)",
                                      file.string())});
  }
  if (block->end != 0 && block->end < size) {
    return Error({.what = "the file's index was never written, so its data cannot be found",
                  .where = file.string(),
                  .expected = "a file that its recorder closed",
                  .found = fmt::format("{} bytes, of which its header covers {}", size, block->end),
                  .next = "its recorder ended early: record the episode again, or copy the file "
                          "again from a machine where it opens"});
  }

  // Anything else that the library does not accept.
  return Error({.what = "cannot open as HDF5: " + reason,
                .where = file.string(),
                .expected = "a complete HDF5 file",
                .found = fmt::format("{} bytes", size),
                .next = "if other programs open it, it was written by a newer HDF5: rewrite it "
                        "with h5repack; otherwise copy or record the episode again"});
}

}  // namespace roboimi::hdf5_dataset
