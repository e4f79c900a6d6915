#include "roboimi/common/process_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <thread>

#include "roboimi/common/error.h"
#include "roboimi/common/interrupted.h"
#include "roboimi/common/log.h"
#include "roboimi/common/origin.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kPoll{50};

void make_folder_of(const fs::path& file) {
  std::error_code error;
  if (file.has_parent_path()) fs::create_directories(file.parent_path(), error);
  if (!error) return;
  throw Error({.what = "cannot create the folder: " + error.message(),
               .where = file.parent_path().string(),
               .next = "check the permissions and the free space"});
}

int open_lock(const fs::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (descriptor >= 0) return descriptor;
  const int reason = errno;
  throw Error({.what = std::string("cannot create the lock: ") + std::strerror(reason),
               .where = file.string(),
               .next = reason == ELOOP ? "it is a link: remove it"
                                       : "check the permissions and the free space"});
}

Error cannot_lock(const fs::path& file, int error) {
  return Error({.what = std::string("cannot lock: ") + std::strerror(error),
                .where = file.string(),
                .next = "use a file system that supports locks (flock)"});
}

bool means_no_locks(int error) { return error == ENOLCK || error == EOPNOTSUPP || error == ENOSYS; }

// The record of the holder: "process 4711 on node3 since 2026-01-02T03:04:05Z".
std::string holder_in(int descriptor) {
  std::array<char, 512> text{};
  const ssize_t size = ::pread(descriptor, text.data(), text.size(), 0);
  const std::string found(text.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  return found.starts_with("process ") ? found.substr(0, found.find('\n')) : "an unknown process";
}

// Best effort: the lock works without it.
void write_holder(int descriptor) {
  const std::string text = "process " + std::to_string(::getpid()) + " on " + host_name() +
                           " since " + time_now() + "\n";
  if (::ftruncate(descriptor, 0) != 0 || ::pwrite(descriptor, text.data(), text.size(), 0) < 0) {
    logger().debug("cannot record the holder of the lock: {}", std::strerror(errno));
  }
}

}  // namespace

int ProcessLock::lock(int operation) const {
  while (::flock(descriptor_, operation) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

std::optional<ProcessLock> ProcessLock::try_take(const fs::path& file) {
  make_folder_of(file);
  ProcessLock lock(open_lock(file));
  const int error = lock.lock(LOCK_EX | LOCK_NB);
  if (error == EWOULDBLOCK) return std::nullopt;
  if (error != 0) throw cannot_lock(file, error);
  return lock;
}

ProcessLock ProcessLock::take(const fs::path& file, const std::function<bool()>& should_stop) {
  make_folder_of(file);
  ProcessLock lock(open_lock(file));
  const int operation = should_stop ? LOCK_EX | LOCK_NB : LOCK_EX;
  for (int error = lock.lock(operation); error != 0; error = lock.lock(operation)) {
    if (error != EWOULDBLOCK) throw cannot_lock(file, error);
    if (should_stop()) {
      throw Interrupted(
          {.what = "interrupted while another process holds the lock", .where = file.string()});
    }
    std::this_thread::sleep_for(kPoll);
  }
  return lock;
}

ProcessLock ProcessLock::take_folder(const fs::path& folder, const std::string& kind) {
  const fs::path file = folder / ".lock";
  ProcessLock lock(open_lock(file));
  const int error = lock.lock(LOCK_EX | LOCK_NB);
  if (error == EWOULDBLOCK) {
    throw Error({.what = "another process is using this " + kind,
                 .where = folder.string(),
                 .found = holder_in(lock.descriptor_),
                 .next = "wait for it to end, or stop it"});
  }
  if (means_no_locks(error)) {
    logger().warn(
        "{}: this file system does not support locks ({}); do not start a second process on this "
        "{}",
        folder.string(), std::strerror(error), kind);
    return lock;
  }
  if (error != 0) throw cannot_lock(file, error);
  write_holder(lock.descriptor_);
  return lock;
}

ProcessLock::~ProcessLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace roboimi
