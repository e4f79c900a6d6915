// A lock that a process holds on a file until it ends, however it ends.
//
//   if (const auto lock = ProcessLock::try_take(folder / "lock")) work();   // else somebody has it
//   const ProcessLock lock = ProcessLock::take_folder(run_folder, "run");   // or an Error names
//   who
//
// The kernel keeps it (flock), so a lock left behind by a killed process or a reboot does not
// exist. NFS passes it on to its server, so it holds between machines there.
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
  // Nothing when another process has it. Error when the file cannot be made, or the file system has
  // no locks.
  static std::optional<ProcessLock> try_take(const std::filesystem::path& file);
  // Waits for it, asking `should_stop` every 50 ms when there is one (true: Error "interrupted").
  static ProcessLock take(const std::filesystem::path& file,
                          const std::function<bool()>& should_stop = {});
  // For a folder that one process at a time writes to: takes FOLDER/.lock and writes into it who
  // has it. When another process has it, an Error names the `kind` of folder and that process: its
  // number, its machine and since when. Where the file system has no locks, a warning says so.
  static ProcessLock take_folder(const std::filesystem::path& folder, const std::string& kind);

  // For a process that is to hold the lock, too: ProcessStart::inherited.
  int descriptor() const { return descriptor_; }

  ~ProcessLock();
  ProcessLock(ProcessLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  ProcessLock& operator=(ProcessLock&&) = delete;
  ProcessLock(const ProcessLock&) = delete;
  ProcessLock& operator=(const ProcessLock&) = delete;

 private:
  explicit ProcessLock(int descriptor) : descriptor_(descriptor) {}
  int lock(int operation) const;  // of flock(2); 0, or the error's number
  int descriptor_ = -1;
};

}  // namespace roboimi
