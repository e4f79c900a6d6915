// Which process of a training this is, and where the others are, according to the environment
// variables of the launcher.
//
//   const Launch launch = read_launch(process_environment());
//   launch.rank; launch.size; launch.host; launch.port;
//
// | launcher | variables |
// |---|---|
// | torchrun | RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT |
// | mpirun (Open MPI) | OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE, OMPI_COMM_WORLD_LOCAL_RANK |
// | srun | SLURM_PROCID, SLURM_NTASKS, SLURM_LOCALID, SLURM_STEP_NODELIST or SLURM_NODELIST |
//
// The first launcher of the table whose rank or size is set is used, since torchrun and mpirun may
// be started by srun. MASTER_ADDR and MASTER_PORT take precedence over the address that is derived
// for mpirun and srun.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace roboimi::nccl_communicator {

struct Launch {
  std::string launcher;  // "torchrun", "mpirun" or "srun"; empty if the process was started alone
  std::int64_t rank = 0;
  std::int64_t size = 1;
  std::int64_t local_rank = 0;  // among the processes of this machine
  bool one_machine = true;      // all processes are known to be on this machine
  // Address of the key-value store through which the processes find each other.
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  bool rank_0_hosts_store = true;  // false: torchrun's agent does
  std::string store_prefix;        // of this attempt's keys
};

// The value of an environment variable, or nothing if it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment process_environment();

// Throws Error, located at the variable, if one is missing or has a wrong value.
Launch read_launch(const Environment& environment);

// The first machine of a Slurm node list: "gpu[03-05,07],login" gives "gpu03".
std::string first_node(const std::string& node_list);

}  // namespace roboimi::nccl_communicator
