#include "plugins/mpi_communicator/mpi_communicator.h"
#include "roboimi/plugin/plugin.h"

ROBOIMI_PLUGIN("mpi_communicator", "1.0.0", "Training with several processes over MPI") {
  registrar.add<roboimi::Communicator>(
      {.name = "mpi_communicator",
       .description = "the processes started by mpirun, on one or more machines",
       .schema = roboimi::mpi_communicator::schema(),
       .create = roboimi::mpi_communicator::create});
}
