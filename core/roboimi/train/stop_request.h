// Lets a long job finish its current step on Ctrl-C. While a StopRequest lives, SIGINT, SIGTERM,
// SIGHUP, SIGUSR1 and SIGUSR2 only set a flag. A second SIGINT, SIGTERM or SIGUSR1, a second or
// more after the first, ends the process at once, as without it; sooner it is the same request,
// which `timeout` sends twice. SIGUSR1 is what mpirun passes on to the processes that it started;
// SIGUSR2 is what Slurm jobs and submitit ask for before their time is up; SIGHUP comes when a
// terminal closes, more than once, and stays ignored where it was (nohup).
//
//   StopRequest stop;
//   while (!stop.requested()) work();
#pragma once

#include <array>
#include <csignal>

#include "roboimi/common/export.h"

namespace roboimi {

class ROBOIMI_EXPORT StopRequest {
 public:
  StopRequest();
  ~StopRequest();  // the former handlers are back
  StopRequest(const StopRequest&) = delete;
  StopRequest& operator=(const StopRequest&) = delete;

  bool requested() const;

 private:
  static constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
  std::array<struct sigaction, kSignals.size()> former_{};
};

// What a shell reports for a process ended by Ctrl-C.
inline constexpr int kInterruptedStatus = 130;

}  // namespace roboimi
