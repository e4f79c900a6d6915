// Where the entries of a zip archive lie, read from its central directory alone.
//
// libzip says how large an entry is, but not where it is; two entries that share bytes are how a
// small archive inflates to a large one. This reads just enough to check that.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace roboimi {

struct ZipEntry {
  std::string name;
  std::uint16_t method = 0;     // 0 stored, 8 deflated
  std::uint64_t offset = 0;     // of the local header
  std::uint64_t data_size = 0;  // bytes in the archive
  std::uint64_t full_size = 0;  // bytes when unpacked, as the archive claims
};

// Entries in the order of the directory. After this every entry (local header and data) lies before
// the directory, no two share a byte, a stored entry's sizes are equal, no name comes twice, and
// none is encrypted. Memory is proportional to the directory. Error names `path`.
std::vector<ZipEntry> read_zip_directory(std::span<const std::uint8_t> file,
                                         const std::filesystem::path& path);

}  // namespace roboimi
