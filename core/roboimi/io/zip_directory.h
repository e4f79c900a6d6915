// A reader for the positions of a zip archive's entries, from its central directory only.
//
// libzip reports the size of an entry but not its position. A small archive whose entries share
// bytes can unpack to a huge size; this reads just enough to detect that.
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

// What it means if several entries have one name: damage, or that the last of them replaces the
// others, as for programs that update an archive by appending (zarr's ZipStore).
enum class RepeatedNames { kAreDamage, kLastCounts };

// Returns the entries in the order of the directory. Guarantees that every entry (local header and
// data) is before the directory, that no two entries share a byte, that both sizes of a stored
// entry are equal, that names are unique unless `repeated` allows others, and that no entry is
// encrypted. Memory is proportional to the directory. Throws Error naming `path`.
std::vector<ZipEntry> read_zip_directory(std::span<const std::uint8_t> file,
                                         const std::filesystem::path& path,
                                         RepeatedNames repeated = RepeatedNames::kAreDamage);

}  // namespace roboimi
