// Files that are either the old one or the new one, never half of the new one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "roboimi/common/export.h"

namespace roboimi {

// A file being written from the start. Every failure is an Error that names `shown_as` (the final
// name, while `path` is temporary) and says ENOSPC and EFBIG in words.
class ROBOIMI_EXPORT OutputFile {
 public:
  OutputFile(const std::filesystem::path& path, std::filesystem::path shown_as);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(const void* data, std::size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }

 private:
  std::filesystem::path shown_as_;
  int descriptor_ = -1;
};

// Calls `write` with a temporary path in the same folder, syncs what it wrote and renames it to
// `path`. When `write` or the disk fails, the temporary file is removed, `path` is untouched and an
// Error says why (ENOSPC and EFBIG are named in words).
ROBOIMI_EXPORT void write_file_atomically(
    const std::filesystem::path& path,
    const std::function<void(const std::filesystem::path& temporary)>& write);

// The same for text held in memory.
ROBOIMI_EXPORT void write_text_atomically(const std::filesystem::path& path, std::string_view text);

// Fills the folder `path` through a temporary one, synced and renamed. A folder that had the name
// is replaced at one instant, where the file system can exchange names (NFS cannot: for an instant
// that folder is ".replaced_NAME"). Files directly in the folder that `fill` writes by the
// functions above are written plainly and synced once.
ROBOIMI_EXPORT void write_folder_atomically(
    const std::filesystem::path& path,
    const std::function<void(const std::filesystem::path& temporary)>& fill);

// The whole file. Error when it cannot be read.
ROBOIMI_EXPORT std::string read_text(const std::filesystem::path& path);

// A read-only mapping of a whole file, shared between processes. An empty file maps to size 0.
class ROBOIMI_EXPORT MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::uint8_t* data() const { return data_; }
  std::size_t size() const { return size_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace roboimi
