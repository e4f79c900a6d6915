// A reader for zip archives that may be malicious, based on libzip.
//
//   const ZipArchive archive(path);
//   const at::Tensor bytes = archive.read("model/data.pkl", 1 << 20);
//
// Sizes, positions and overlaps are checked against the file before any entry is read
// (zip_directory.h), and the CRC of each entry that is read is verified. Compressed entries are
// limited to kMaxInflated.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/common/files.h"
#include "roboimi/io/zip_directory.h"

namespace roboimi {

class ROBOIMI_EXPORT ZipArchive {
 public:
  // Bytes of all compressed entries together when unpacked. PyTorch does not compress.
  static constexpr std::uint64_t kMaxInflated = 256ull << 20;

  explicit ZipArchive(const std::filesystem::path& path,
                      RepeatedNames repeated = RepeatedNames::kAreDamage);
  ~ZipArchive();
  ZipArchive(const ZipArchive&) = delete;
  ZipArchive& operator=(const ZipArchive&) = delete;

  const std::filesystem::path& path() const { return file_.path(); }
  std::uint64_t file_size() const { return file_.size(); }
  const std::vector<ZipEntry>& entries() const { return entries_; }
  // nullptr if there is no such entry. The last one of several with this name.
  const ZipEntry* find(const std::string& name) const;

  // The unpacked bytes, uint8 [full_size], 64-byte aligned. Throws Error if there is no such entry,
  // its CRC is wrong, or it is larger than `max_size`.
  at::Tensor read(const std::string& name, std::uint64_t max_size) const;
  std::string read_text(const std::string& name, std::uint64_t max_size) const;

 private:
  struct Handle;

  MappedFile file_;
  std::vector<ZipEntry> entries_;
  std::unordered_map<std::string, std::size_t> index_;
  std::unique_ptr<Handle> handle_;
};

}  // namespace roboimi
