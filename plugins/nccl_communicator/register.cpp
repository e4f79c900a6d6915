#include "plugins/nccl_communicator/nccl_communicator.h"
#include "roboimi/plugin/plugin.h"

ROBOIMI_PLUGIN("nccl_communicator", "1.0.0",
               "Training with several processes over libtorch's NCCL and gloo") {
  registrar.add<roboimi::Communicator>(
      {.name = "nccl",
       .description = "the processes started by torchrun, mpirun or srun; NCCL between GPUs",
       .schema = roboimi::nccl_communicator::schema(),
       .create = roboimi::nccl_communicator::create});
}
