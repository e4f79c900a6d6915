#include "roboimi/track/append_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "roboimi/common/error.h"
#include "roboimi/common/write_advice.h"

namespace roboimi {

AppendFile::AppendFile(const std::filesystem::path& path)
    : path_(path),
      descriptor_(
          ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644)) {
  if (descriptor_ >= 0) return;
  const int error = errno;
  const bool is_link = error == ELOOP;
  throw Error({.what = std::string("cannot open: ") +
                       (is_link ? "the path is a symbolic link" : std::strerror(error)),
               .where = path.string(),
               .expected = is_link ? "a file, so that nothing outside this folder is written" : "",
               .next = is_link ? "delete the link" : write_advice(error)});
}

AppendFile::~AppendFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void AppendFile::append(std::string_view record) {
  const off_t before = ::lseek(descriptor_, 0, SEEK_END);
  std::string_view rest = record;
  while (!rest.empty()) {
    const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
    if (written > 0) {
      rest.remove_prefix(static_cast<std::size_t>(written));
      continue;
    }
    if (errno == EINTR) continue;
    const int error = errno;
    // Remove the part that was written. If that fails as well, readers ignore the incomplete line.
    if (before >= 0 && ::ftruncate(descriptor_, before) != 0) errno = 0;
    fail("cannot write", error);
  }
}

void AppendFile::sync() {
  // EINVAL: a pipe or another kind of file that cannot be synced.
  if (::fsync(descriptor_) == 0 || errno == EINVAL) return;
  fail("cannot sync", errno);
}

void AppendFile::fail(const char* what, int error) const {
  throw Error({.what = std::string(what) + ": " + std::strerror(error),
               .where = path_.string(),
               .next = write_advice(error)});
}

}  // namespace roboimi
