#include "plugins/mpi_communicator/mpi_communicator.h"
#include "roboimi/plugin/plugin.h"

ROBOIMI_PLUGIN("mpi_communicator", "1.0.0", "Several processes that train together, over MPI") {
  registrar.add<roboimi::Communicator>(
      {.name = "mpi_communicator",
       .description = "the processes that mpirun started, on one machine or more",
       .schema = roboimi::mpi_communicator::schema(),
       .create = roboimi::mpi_communicator::create});
}
