// MPI in this process: begun with the first communicator, ended with the process itself.
//
//   join_processes();    // MPI_Init_thread, once
//   ...                  // an exception that ends the process here ends all: MPI_Abort, at exit
//   leave_processes();   // all is well: MPI_Finalize, at exit
//
// Ending is left to the process's exit because only then an error's text is printed, and because
// MPI cannot begin twice.
#pragma once

#include <mpi.h>

#include <string>

namespace roboimi::mpi_communicator {

// Error when what was begun before was never left, or when MPI allows calls from one thread only.
void join_processes();
void leave_processes();

// Error with MPI's own text unless `code` is MPI_SUCCESS. `what` was tried in `where`.
void check_mpi(int code, const std::string& what, const std::string& where);

}  // namespace roboimi::mpi_communicator
