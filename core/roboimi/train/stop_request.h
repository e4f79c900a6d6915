// Lets a long job finish its current step on Ctrl-C. While a StopRequest is alive, SIGINT, SIGTERM,
// SIGHUP, SIGUSR1 and SIGUSR2 only set a flag. Another SIGINT, SIGTERM or SIGUSR1 ends the process
// at once, as without a StopRequest, if it comes at least one second after the first signal; an
// earlier one counts as the same request, because `timeout` sends its signal twice.
//
// SIGUSR1 is the signal that mpirun forwards to its processes. SIGUSR2 is what Slurm jobs and
// submitit request before their time limit. SIGHUP arrives, possibly several times, when a terminal
// closes; if it was ignored before (nohup), it stays ignored.
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
  ~StopRequest();  // restores the former handlers
  StopRequest(const StopRequest&) = delete;
  StopRequest& operator=(const StopRequest&) = delete;

  bool requested() const;

 private:
  static constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
  std::array<struct sigaction, kSignals.size()> former_{};
};

// The exit status that a shell reports for a process ended by Ctrl-C.
inline constexpr int kInterruptedStatus = 130;

}  // namespace roboimi
