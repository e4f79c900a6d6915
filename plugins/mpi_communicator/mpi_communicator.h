// A communicator between the processes that mpirun or srun started.
//
//   MpiCommunicator communicator({});
//   communicator.all_reduce(gradients);
//   communicator.finish();
//
// Before data is exchanged, the processes compare the calls they are about to make. If these
// differ, every process throws an Error, where MPI alone would hang or mix their data. Waiting
// sleeps instead of spinning and has no time limit.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <memory>
#include <string>

#include "modules/collective_call/collective_call.h"
#include "roboimi/config/schema.h"
#include "roboimi/contract/communicator.h"

namespace roboimi::mpi_communicator {

struct MpiOptions {
  std::int64_t chunk_bytes = std::int64_t{1} << 28;  // larger tensors are exchanged in parts
};

class MpiCommunicator final : public Communicator {
 public:
  // The first communicator of the process initializes MPI. Throws Error if an earlier one is not
  // finished.
  explicit MpiCommunicator(const MpiOptions& options);

  std::int64_t rank() const override { return rank_; }
  std::int64_t size() const override { return size_; }
  // float32, float64, int64, uint8; float16 and bfloat16 are summed in float32. Throws Error for
  // others.
  void all_reduce(at::Tensor& tensor) override;
  // Any dtype.
  void broadcast(at::Tensor& tensor, std::int64_t root) override;
  void barrier() override;
  std::int64_t local_rank() const override { return local_rank_; }
  void finish() override;

 private:
  // Error in all processes unless they make the same call.
  void check_in_step(const CollectiveCall& call);
  void wait_for(MPI_Request& request) const;
  std::string name() const;

  MpiOptions options_;
  MPI_Comm processes_ = MPI_COMM_NULL;  // a private copy of MPI_COMM_WORLD
  int rank_ = 0, size_ = 1, local_rank_ = 0;
};

Schema schema();
std::shared_ptr<Communicator> create(const Options& options);

}  // namespace roboimi::mpi_communicator
