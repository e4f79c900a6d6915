#include "roboimi/common/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>

#include "roboimi/common/error.h"
#include "roboimi/common/temporary_names.h"
#include "roboimi/common/write_advice.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void throw_system_error(const std::string& what, const fs::path& path, int error) {
  throw Error({.what = what + ": " + std::strerror(error),
               .where = path.string(),
               .next = write_advice(error)});
}

void sync_path(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw_system_error("cannot open for syncing", path, errno);
  const int error = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  // Some file systems cannot sync folders (EINVAL); that is not an error.
  if (error != 0 && error != EINVAL) throw_system_error("cannot sync", path, error);
}

fs::path parent_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// Calls `make` with temporary names until it succeeds with a name that is not in use.
fs::path create_temporary(const fs::path& path, const char* what,
                          const std::function<bool(const fs::path&)>& make) {
  constexpr int kAttempts = 16;
  for (int attempt = 1;; ++attempt) {
    const fs::path temporary = temporary_name(path);
    if (make(temporary)) return temporary;
    if (errno != EEXIST || attempt == kAttempts) throw_system_error(what, path, errno);
  }
}

bool create_empty_file(const fs::path& path) {
  const int descriptor =
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (descriptor >= 0) ::close(descriptor);
  return descriptor >= 0;
}

// Removes a file or folder at the end of the scope, unless released.
class RemoveOnFailure {
 public:
  explicit RemoveOnFailure(fs::path path) : path_(std::move(path)) {}
  ~RemoveOnFailure() {
    std::error_code ignored;
    if (!released_) fs::remove_all(path_, ignored);
  }
  void release() { released_ = true; }

 private:
  fs::path path_;
  bool released_ = false;
};

void create_parent(const fs::path& path) {
  std::error_code error;
  fs::create_directories(parent_of(path), error);
  if (error) throw_system_error("cannot create the folder", parent_of(path), error.value());
}

void rename_or_throw(const fs::path& from, const fs::path& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) throw_system_error("cannot rename to", to, errno);
}

// Renames a filled folder to its final name. An existing folder of that name becomes `from`, or
// ".replaced_NAME" if the file system cannot exchange names. Returns the path of that old folder;
// empty if there was none.
fs::path put_in_place(const fs::path& from, const fs::path& to) {
  if (std::rename(from.c_str(), to.c_str()) == 0) return {};
  if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR) {
    throw_system_error("cannot rename to", to, errno);
  }
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) return from;
  const fs::path replaced = parent_of(to) / (".replaced_" + to.filename().string());
  std::error_code ignored;
  fs::remove_all(replaced, ignored);
  rename_or_throw(to, replaced);
  rename_or_throw(from, to);
  return replaced;
}

// The folder that write_folder_atomically() currently fills on this thread. It syncs the files in
// it, and they are not visible under the final name yet, so they are written directly.
thread_local fs::path folder_being_filled;

class Filling {
 public:
  explicit Filling(const fs::path& folder) { folder_being_filled = folder; }
  ~Filling() { folder_being_filled.clear(); }
};

}  // namespace

OutputFile::OutputFile(const fs::path& path, fs::path shown_as) : shown_as_(std::move(shown_as)) {
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (descriptor_ < 0) throw_system_error("cannot create", shown_as_, errno);
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void OutputFile::close() {
  // After an error too, the descriptor is closed.
  if (::close(std::exchange(descriptor_, -1)) != 0 && errno != EINTR) {
    throw_system_error("cannot write", shown_as_, errno);
  }
}

void OutputFile::write(const void* data, std::size_t size) {
  const char* rest = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::write(descriptor_, rest, size);
    if (written < 0 && errno != EINTR) throw_system_error("cannot write", shown_as_, errno);
    if (written <= 0) continue;
    rest += written;
    size -= static_cast<std::size_t>(written);
  }
}

void write_file_atomically(const fs::path& path,
                           const std::function<void(const fs::path&)>& write) {
  if (!folder_being_filled.empty() && parent_of(path) == folder_being_filled) return write(path);
  create_parent(path);
  remove_leftovers_of(path);
  const fs::path temporary = create_temporary(path, "cannot create", create_empty_file);
  RemoveOnFailure guard(temporary);
  write(temporary);
  sync_path(temporary);
  rename_or_throw(temporary, path);
  guard.release();
  sync_path(parent_of(path));
}

void write_text_atomically(const fs::path& path, std::string_view text) {
  write_file_atomically(path, [&](const fs::path& temporary) {
    OutputFile file(temporary, path);
    file.write(text);
    file.close();
  });
}

void write_folder_atomically(const fs::path& path,
                             const std::function<void(const fs::path&)>& fill) {
  // Fill and sync a temporary folder.
  create_parent(path);
  const fs::path temporary =
      create_temporary(path, "cannot create the folder",
                       [](const fs::path& name) { return ::mkdir(name.c_str(), 0777) == 0; });
  RemoveOnFailure guard(temporary);
  {
    const Filling filling(temporary);
    fill(temporary);
  }
  for (const auto& entry : fs::recursive_directory_iterator(temporary)) {
    if (entry.is_regular_file()) sync_path(entry.path());
  }
  sync_path(temporary);
  // Rename it and remove the old one.
  const fs::path former = put_in_place(temporary, path);
  guard.release();
  sync_path(parent_of(path));
  std::error_code ignored;
  if (!former.empty()) fs::remove_all(former, ignored);
}

std::string read_text(const fs::path& path) {
  if (fs::is_directory(path)) {
    throw Error(
        {.what = "cannot read", .where = path.string(), .expected = "a file", .found = "a folder"});
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) throw_system_error("cannot read", path, errno);
  // Not `stream << file.rdbuf()`, which ends at a failed read as if it were the end of the file.
  std::string text;
  std::array<char, 65536> block;
  while (file.read(block.data(), block.size()) || file.gcount() > 0) {
    text.append(block.data(), static_cast<std::size_t>(file.gcount()));
  }
  if (file.bad()) throw_system_error("cannot read", path, errno);
  return text;
}

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  // O_NONBLOCK: opening a pipe must not wait; it is rejected below.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) throw_system_error("cannot open", path, errno);
  struct stat status {};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(fd);
    throw Error({.what = "cannot map",
                 .where = path.string(),
                 .expected = "a regular file",
                 .found = S_ISDIR(status.st_mode) ? "a folder" : "something else"});
  }
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ > 0) {
    void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd, 0);
    const int error = errno;
    if (mapped == MAP_FAILED) {
      ::close(fd);
      throw_system_error("cannot map", path, error);
    }
    data_ = static_cast<const std::uint8_t*>(mapped);
  }
  ::close(fd);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::uint8_t*>(data_), size_);
}

}  // namespace roboimi
