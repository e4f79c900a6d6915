// Processes that outlive the one that starts them, and how to tell later whether they still run.
//
//   ProcessIdentity run = start_process({.words = {"/usr/bin/env", "true"}, .output = "log.txt"});
//   ...                       // perhaps in another process, after a reboot
//   if (is_alive(run)) ...
//
// A number is used again once its process has ended, so a process is known by its number, the time
// at which the kernel started it, and the boot of the machine.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

struct ProcessIdentity {
  std::int64_t pid = 0;  // 0: none
  std::int64_t start_ticks = 0;
  std::string boot_id = {};

  bool operator==(const ProcessIdentity&) const = default;
};

// Of a process of this machine; pid 0 when there is none of that number.
ROBOIMI_EXPORT ProcessIdentity identify_process(pid_t pid);
// Whether it still runs: not ended, and not merely waiting to be reaped.
ROBOIMI_EXPORT bool is_alive(const ProcessIdentity& process);

struct ProcessStart {
  std::vector<std::string> words;                       // the program's path first
  std::filesystem::path directory = {};                 // to run in; empty: this process's
  std::filesystem::path output = {};                    // stdout and stderr, appended
  std::map<std::string, std::string> environment = {};  // besides this process's own
  int inherited = -1;  // a descriptor that it shares, as number 3: a lock that it is to hold
};

// Starts it in a session of its own, without a terminal: the end of this process, of a shell or of
// a connection does not reach it. Error when it cannot be started.
ROBOIMI_EXPORT ProcessIdentity start_process(const ProcessStart& start);

inline constexpr std::chrono::milliseconds kNoLimit = std::chrono::milliseconds::max();
inline constexpr int kTimedOut = 124;      // what timeout(1) ends with
inline constexpr int kSignalStatus = 128;  // + N: ended by signal N

struct ProcessResult {
  int status = 0;      // as a shell has it: kSignalStatus + N for signal N
  std::string output;  // stdout
  std::string errors;  // stderr
  bool timed_out = false;
};

// Runs a program, found by PATH, to its end with `input` as its standard input. No shell is
// involved. Error when it cannot be started. After `limit` it is killed, and what it has written
// comes back with timed_out and the status kTimedOut, which a program may also end with itself.
ROBOIMI_EXPORT ProcessResult run_process(const std::vector<std::string>& words,
                                         const std::string& input = "",
                                         std::chrono::milliseconds limit = kNoLimit);

// The exit status of a wait status: kSignalStatus + N for signal N.
ROBOIMI_EXPORT int shell_status(int wait_status);

// Of such a status: "exit status 1", "signal 9 (Killed)".
ROBOIMI_EXPORT std::string status_text(int status);

}  // namespace roboimi
