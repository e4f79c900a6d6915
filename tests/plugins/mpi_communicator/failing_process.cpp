// A program for several processes, of which rank 1 fails: failing_process HOW.
#include <iostream>
#include <string>

#include "plugins/mpi_communicator/mpi_communicator.h"
#include "roboimi/common/error.h"

namespace {

int run(const std::string& how) {
  roboimi::mpi_communicator::MpiCommunicator mpi({});
  at::Tensor tensor = at::ones({4});
  mpi.all_reduce(tensor);
  const bool fails = mpi.rank() == 1;
  if (fails && how == "error") throw roboimi::Error("the disk of rank 1 is full");
  if (fails && how == "status") return 130;
  if (fails && how == "silence") return 0;
  if (fails && how == "crash") __builtin_trap();
  mpi.barrier();
  mpi.finish();
  return 0;
}

}  // namespace

int main(int, char** arguments) {
  try {
    const int status = run(arguments[1]);
    std::cerr << "finished with status " << status << std::endl;
    return status;
  } catch (const roboimi::Error& error) {
    std::cerr << "failing_process: " << error.what() << std::endl;
    return 1;
  }
}
