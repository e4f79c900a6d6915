#include "roboimi/suite/process_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "roboimi/common/error.h"

namespace roboimi {
namespace {

int open_lock(const std::filesystem::path& file) {
  std::error_code ignored;  // opening the file tells
  std::filesystem::create_directories(file.parent_path(), ignored);
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor >= 0) return descriptor;
  throw Error({.what = std::string("cannot make the lock: ") + std::strerror(errno),
               .where = file.string(),
               .next = "the suite's folder must be one that can be written"});
}

}  // namespace

std::optional<ProcessLock> ProcessLock::try_take(const std::filesystem::path& file) {
  ProcessLock lock(open_lock(file));
  if (::flock(lock.descriptor_, LOCK_EX | LOCK_NB) != 0) return std::nullopt;
  return lock;
}

ProcessLock ProcessLock::take(const std::filesystem::path& file) {
  ProcessLock lock(open_lock(file));
  while (::flock(lock.descriptor_, LOCK_EX) != 0) {
    if (errno == EINTR) continue;
    throw Error(
        {.what = std::string("cannot lock: ") + std::strerror(errno), .where = file.string()});
  }
  return lock;
}

ProcessLock::~ProcessLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace roboimi
