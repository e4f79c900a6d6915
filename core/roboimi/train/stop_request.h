// Ctrl-C asks a long job to finish what it is at. While a StopRequest lives, SIGINT, SIGTERM and
// SIGUSR1 only set a flag; a second one ends the process at once, as without it. SIGUSR1 is what
// launchers pass on to the processes that they started: mpirun does, and batch systems can.
//
//   StopRequest stop;
//   while (!stop.requested()) work();
#pragma once

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
  struct sigaction former_interrupt_ {};
  struct sigaction former_terminate_ {};
  struct sigaction former_user_ {};
};

// What a shell reports for a process ended by Ctrl-C.
inline constexpr int kInterruptedStatus = 130;

}  // namespace roboimi
