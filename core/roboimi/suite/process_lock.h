// A lock that a process holds on a file until it ends, however it ends.
//
//   if (const auto lock = ProcessLock::try_take(folder / "lock")) work();   // else somebody has it
//
// The kernel keeps it (flock), so a lock left behind by a killed process or a reboot does not
// exist.
#pragma once

#include <filesystem>
#include <optional>
#include <utility>

#include "roboimi/common/export.h"

namespace roboimi {

class ROBOIMI_EXPORT ProcessLock {
 public:
  // Nothing when another process has it. Error when the file cannot be made.
  static std::optional<ProcessLock> try_take(const std::filesystem::path& file);
  // Waits for it.
  static ProcessLock take(const std::filesystem::path& file);

  // For a process that is to hold the lock, too: ProcessStart::inherited.
  int descriptor() const { return descriptor_; }

  ~ProcessLock();
  ProcessLock(ProcessLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  ProcessLock& operator=(ProcessLock&&) = delete;
  ProcessLock(const ProcessLock&) = delete;
  ProcessLock& operator=(const ProcessLock&) = delete;

 private:
  explicit ProcessLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

}  // namespace roboimi
