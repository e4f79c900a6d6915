#include "roboimi/data/binary_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "roboimi/common/error.h"
#include "roboimi/common/write_advice.h"

namespace roboimi {

BinaryFile::BinaryFile(const std::filesystem::path& path, std::uint64_t keep) : path_(path) {
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (descriptor_ < 0) fail("cannot create", errno);
  if (::ftruncate(descriptor_, static_cast<off_t>(keep)) != 0) {
    const int error = errno;
    ::close(descriptor_);
    fail("cannot resize", error);
  }
}

BinaryFile::~BinaryFile() { ::close(descriptor_); }

void BinaryFile::append(const void* data, std::size_t size) {
  const auto* next = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::write(descriptor_, next, size);
    if (written < 0 && errno != EINTR) fail("cannot write", errno);
    if (written <= 0) continue;
    next += written;
    size -= static_cast<std::size_t>(written);
  }
}

void BinaryFile::sync() {
  if (::fdatasync(descriptor_) != 0) fail("cannot sync", errno);
}

void BinaryFile::fail(const char* what, int error) const {
  const bool is_link = error == ELOOP;
  throw Error(
      {.what = std::string(what) + ": " + std::strerror(error),
       .where = path_.string(),
       .next = is_link ? "the path is a symbolic link: delete the link" : write_advice(error)});
}

}  // namespace roboimi
