#include "plugins/mpi_communicator/mpi_process.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>

#include "roboimi/common/error.h"

namespace roboimi::mpi_communicator {
namespace {

constexpr const char* kName = "mpi_communicator";

enum class Phase { kNotBegun, kTogether, kLeft };

// Of the process, as MPI is.
Phase phase = Phase::kNotBegun;

// The last that the process does: errors are printed by now.
void end_mpi(int status, void* beginner) {
  // A child that was forked and not replaced is no process of MPI's.
  if (static_cast<pid_t>(reinterpret_cast<std::intptr_t>(beginner)) != ::getpid()) return;
  if (phase == Phase::kTogether) {
    MPI_Abort(MPI_COMM_WORLD, status == 0 ? EXIT_FAILURE : status);
  } else {
    MPI_Finalize();
  }
}

void begin_mpi() {
  int provided = MPI_THREAD_SINGLE;
  // Backward passes on a GPU run in threads of libtorch's, one at a time.
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), "begin", kName);
  ::on_exit(end_mpi, reinterpret_cast<void*>(static_cast<std::intptr_t>(::getpid())));
  if (provided < MPI_THREAD_SERIALIZED) {
    phase = Phase::kTogether;
    throw Error({.what = "this MPI takes calls from one thread only",
                 .where = kName,
                 .expected = "MPI_THREAD_SERIALIZED",
                 .found = fmt::format("level {}", provided),
                 .next = "install an MPI with support for threads, such as Debian's Open MPI"});
  }
}

}  // namespace

void join_processes() {
  if (phase == Phase::kTogether) {
    throw Error({.what = "an earlier training of these processes failed and left them apart",
                 .where = kName,
                 .expected = "one training after the other, each to its end",
                 .next = "start the processes again, one training at a time"});
  }
  if (phase == Phase::kNotBegun) begin_mpi();
  phase = Phase::kTogether;
}

void leave_processes() { phase = Phase::kLeft; }

void check_mpi(int code, const std::string& what, const std::string& where) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw Error({.what = fmt::format("MPI failed to {}", what),
               .where = where,
               .found = text,
               .next = "see above for what the other processes and mpirun say"});
}

}  // namespace roboimi::mpi_communicator
