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

#include <array>
#include <cstdint>
#include <memory>
#include <string>

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
  enum class Call : std::int64_t { kAllReduce, kBroadcast, kBarrier, kFinish };
  // The call that a process is about to make; it must be the same in all processes.
  struct Intent {
    Call call = Call::kBarrier;
    at::ScalarType dtype = at::kByte;
    std::int64_t numel = 0;
    std::int64_t root = 0;
  };

  // Error in all processes unless they have the same intent.
  void check_in_step(const Intent& intent);
  void wait_for(MPI_Request& request) const;
  std::string describe(const Intent& intent) const;
  std::string name() const;

  MpiOptions options_;
  MPI_Comm processes_ = MPI_COMM_NULL;  // a private copy of MPI_COMM_WORLD
  int rank_ = 0, size_ = 1, local_rank_ = 0;
};

Schema schema();
std::shared_ptr<Communicator> create(const Options& options);

}  // namespace roboimi::mpi_communicator
