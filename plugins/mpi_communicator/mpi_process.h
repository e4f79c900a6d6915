// Initialization and shutdown of MPI in this process. MPI starts with the first communicator and
// ends when the process exits.
//
//   join_processes();    // MPI_Init_thread, once
//   ...                  // if the process exits here, MPI_Abort ends all processes at exit
//   leave_processes();   // success: MPI_Finalize at exit
//
// MPI ends at exit so that error messages are printed first, and because MPI cannot be initialized
// twice.
#pragma once

#include <mpi.h>

#include <string>

namespace roboimi::mpi_communicator {

// Throws Error if an earlier join_processes() was not followed by leave_processes(), or if the MPI
// library allows calls from one thread only.
void join_processes();
void leave_processes();

// Throws Error with MPI's message unless `code` is MPI_SUCCESS: "MPI failed to `what`", at `where`.
void check_mpi(int code, const std::string& what, const std::string& where);

}  // namespace roboimi::mpi_communicator
