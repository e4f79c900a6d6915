// A lock on a file, held by a process until it releases it or ends.
//
//   if (const auto lock = ProcessLock::try_take(folder / "lock")) work();
//   const ProcessLock lock = ProcessLock::take_folder(run_folder, "run");
//
// The lock is managed by the kernel (flock), so killed processes and reboots leave no stale locks.
// On NFS it also works between machines.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "roboimi/common/export.h"

namespace roboimi {

class ROBOIMI_EXPORT ProcessLock {
 public:
  // Takes the lock; empty if another process holds it. Throws Error if the file cannot be created
  // or the file system does not support locks.
  static std::optional<ProcessLock> try_take(const std::filesystem::path& file);
  // Waits for the lock. Calls `should_stop`, if given, every 50 ms, and throws
  // Interrupted if it returns true.
  static ProcessLock take(const std::filesystem::path& file,
                          const std::function<bool()>& should_stop = {});
  // Takes FOLDER/.lock, for a folder that only one process may write to, and records this process
  // in it. If another process holds it, throws an Error with the `kind` of folder and the other
  // process's ID, machine and start of the lock. Logs a warning if the file system does not support
  // locks.
  static ProcessLock take_folder(const std::filesystem::path& folder, const std::string& kind);

  // For passing the lock to a child process: ProcessStart::inherited.
  int descriptor() const { return descriptor_; }

  ~ProcessLock();
  ProcessLock(ProcessLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  ProcessLock& operator=(ProcessLock&&) = delete;
  ProcessLock(const ProcessLock&) = delete;
  ProcessLock& operator=(const ProcessLock&) = delete;

 private:
  explicit ProcessLock(int descriptor) : descriptor_(descriptor) {}
  int lock(int operation) const;  // calls flock(2); returns 0 or errno
  int descriptor_ = -1;
};

}  // namespace roboimi
