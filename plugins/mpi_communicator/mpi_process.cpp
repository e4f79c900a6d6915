#include "plugins/mpi_communicator/mpi_process.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>

#include "roboimi/common/error.h"

namespace roboimi::mpi_communicator {
namespace {

constexpr const char* kName = "mpi_communicator";

enum class Phase { kNotBegun, kTogether, kLeft };

// MPI is per process, and so is its phase.
Phase phase = Phase::kNotBegun;

// Runs at exit, after errors have been printed.
void end_mpi(int status, void* beginner) {
  // A forked child without exec is not an MPI process.
  if (static_cast<pid_t>(reinterpret_cast<std::intptr_t>(beginner)) != ::getpid()) return;
  if (phase == Phase::kTogether) {
    MPI_Abort(MPI_COMM_WORLD, status == 0 ? EXIT_FAILURE : status);
  } else {
    MPI_Finalize();
  }
}

void begin_mpi() {
  int provided = MPI_THREAD_SINGLE;
  // Backward passes on a GPU run in libtorch's threads, one at a time.
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), "initialize",
            kName);
  ::on_exit(end_mpi, reinterpret_cast<void*>(static_cast<std::intptr_t>(::getpid())));
  if (provided < MPI_THREAD_SERIALIZED) {
    phase = Phase::kTogether;
    throw Error({.what = "this MPI library supports calls from one thread only",
                 .where = kName,
                 .expected = "MPI_THREAD_SERIALIZED",
                 .found = fmt::format("level {}", provided),
                 .next = "install an MPI library with thread support, such as Debian's Open MPI"});
  }
}

}  // namespace

void join_processes() {
  if (phase == Phase::kTogether) {
    throw Error({.what = "an earlier training in these processes failed or is not finished",
                 .where = kName,
                 .expected = "one training after the other, each finished",
                 .next = "start the processes again, with one training at a time"});
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
               .next = "see the messages of mpirun and the other processes above"});
}

}  // namespace roboimi::mpi_communicator
