// Functions that write files and folders atomically: a reader finds the old or the new contents,
// never a part.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "roboimi/common/export.h"

namespace roboimi {

// A file that is written from the start. A failure throws an Error that names `shown_as` (the final
// name, if `path` is temporary) and explains ENOSPC and EFBIG in words.
class ROBOIMI_EXPORT OutputFile {
 public:
  OutputFile(const std::filesystem::path& path, std::filesystem::path shown_as);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(const void* data, std::size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  // Closes the file. Some file systems report only here that they could not write (NFS, quotas), so
  // every file that is written completely is closed by this call and not by the destructor.
  void close();

 private:
  std::filesystem::path shown_as_;
  int descriptor_ = -1;
};

// Calls `write` with a temporary path in the same folder, syncs that file and renames it to `path`.
// If `write` or the disk fails, removes the temporary file, leaves `path` unchanged and throws an
// Error with the reason (ENOSPC and EFBIG in words).
ROBOIMI_EXPORT void write_file_atomically(
    const std::filesystem::path& path,
    const std::function<void(const std::filesystem::path& temporary)>& write);

// The same for a string.
ROBOIMI_EXPORT void write_text_atomically(const std::filesystem::path& path, std::string_view text);

// Calls `fill` with a temporary folder, syncs it and renames it to `path`. An existing folder of
// that name is replaced atomically if the file system can exchange names. (NFS cannot: there the
// old folder is briefly called ".replaced_NAME".) Files that `fill` writes directly into the folder
// with the functions above are written without a temporary file and synced only once.
ROBOIMI_EXPORT void write_folder_atomically(
    const std::filesystem::path& path,
    const std::function<void(const std::filesystem::path& temporary)>& fill);

// The contents of a file. Throws Error if it cannot be read.
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
