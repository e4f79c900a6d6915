// Functions that start processes and check later, even from another process, whether they still
// run.
//
//   ProcessIdentity run = start_process({.words = {"/usr/bin/env", "true"}, .output = "log.txt"});
//   const bool still_runs = is_alive(run);   // `run` may be saved and used by another process
//
// A process ID is reused after its process has ended. Therefore a process is identified by its ID,
// its start time and the boot of the machine.
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

// The identity of a process on this machine; its pid is 0 if there is no such process.
ROBOIMI_EXPORT ProcessIdentity identify_process(pid_t pid);
// Whether the process still runs. False for zombies, which only wait to be reaped.
ROBOIMI_EXPORT bool is_alive(const ProcessIdentity& process);

struct ProcessStart {
  std::vector<std::string> words;                       // path of the program and its arguments
  std::filesystem::path directory = {};                 // working directory; empty: unchanged
  std::filesystem::path output = {};                    // stdout and stderr are appended to it
  std::map<std::string, std::string> environment = {};  // added to this process's environment
  int inherited = -1;  // a descriptor that it gets as number 3, such as that of a lock
};

// Starts a process in a new session without a terminal, so that it survives the end of this
// process, its shell or connection. Throws Error if it cannot be started.
ROBOIMI_EXPORT ProcessIdentity start_process(const ProcessStart& start);

inline constexpr std::chrono::milliseconds kNoLimit = std::chrono::milliseconds::max();
inline constexpr int kTimedOut = 124;      // the exit status of timeout(1)
inline constexpr int kSignalStatus = 128;  // + N: ended by signal N

struct ProcessResult {
  int status = 0;      // exit status as in a shell: kSignalStatus + N for signal N
  std::string output;  // stdout
  std::string errors;  // stderr
  bool timed_out = false;
};

// Runs a program, searched in PATH, with `input` as its standard input, and waits for its end. No
// shell is involved. Throws Error if it cannot be started. After `limit` the program is killed, and
// the result has its output so far, timed_out and the status kTimedOut. (A program may also exit
// with that status by itself.)
ROBOIMI_EXPORT ProcessResult run_process(const std::vector<std::string>& words,
                                         const std::string& input = "",
                                         std::chrono::milliseconds limit = kNoLimit);

// Converts a status of wait(2) to an exit status as in a shell: kSignalStatus + N for signal N.
ROBOIMI_EXPORT int shell_status(int wait_status);

// A description of such an exit status: "exit status 1", "signal 9 (Killed)".
ROBOIMI_EXPORT std::string status_text(int status);

}  // namespace roboimi
