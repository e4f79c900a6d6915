// A communicator over libtorch's process groups: NCCL for tensors on a GPU, gloo for tensors in
// host memory. The processes are started by torchrun, mpirun or srun (launch.h).
//
//   NcclCommunicator communicator({});
//   communicator.all_reduce(gradients);   // stays on the GPU, without waiting for it
//   communicator.finish();
//
// Before data is exchanged, the processes compare the calls they are about to make, over gloo. This
// also detects a process that has ended: every call then throws an Error.
#pragma once

#include <c10/util/intrusive_ptr.h>

#include <cstdint>
#include <memory>
#include <string>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "modules/collective_call/collective_call.h"
#include "plugins/nccl_communicator/launch.h"
#include "roboimi/config/schema.h"
#include "roboimi/contract/communicator.h"

namespace roboimi::nccl_communicator {

// kAuto: NCCL if this build has it and there is a GPU. kGloo: tensors on a GPU are exchanged
// through host memory.
enum class BackendChoice { kAuto, kNccl, kGloo };
std::string to_string(BackendChoice choice);

struct NcclOptions {
  BackendChoice backend = BackendChoice::kAuto;
  std::int64_t timeout = 86400;      // seconds that a call waits for the other processes
  std::int64_t start_timeout = 300;  // seconds until all processes must have started
};

class NcclCommunicator final : public Communicator {
 public:
  // Reads the environment and connects to the other processes. Throws Error if NCCL is required but
  // not available, or if the other processes do not start in time.
  explicit NcclCommunicator(const NcclOptions& options);
  // Ends the exchanges that are still running, if finish() was not called.
  ~NcclCommunicator() override;

  std::int64_t rank() const override { return launch_.rank; }
  std::int64_t size() const override { return launch_.size; }
  // float32, float64, int64, uint8; float16 and bfloat16 are summed in float32. Throws Error for
  // others.
  void all_reduce(at::Tensor& tensor) override;
  // Any dtype.
  void broadcast(at::Tensor& tensor, std::int64_t root) override;
  void barrier() override;
  std::int64_t local_rank() const override { return launch_.local_rank; }
  void finish() override;

 private:
  void connect();
  // Error in all processes unless they make the same call.
  void check_in_step(const CollectiveCall& call);
  // The tensor's GPU if NCCL exchanges it, otherwise the CPU.
  c10::Device exchange_device(const at::Tensor& tensor) const;
  c10d::Backend& backend_of(c10::Device exchange_device);
  void sum(c10d::Backend& backend, const at::Tensor& tensor, c10d::ReduceOp operation,
           const std::string& action);
  std::string name() const;

  NcclOptions options_;
  bool has_nccl_;
  Launch launch_;
  c10::intrusive_ptr<c10d::Store> store_;
  c10::intrusive_ptr<c10d::Backend> gloo_;
  c10::intrusive_ptr<c10d::Backend> nccl_;  // created for the first tensor on a GPU
};

Schema schema();
std::shared_ptr<Communicator> create(const Options& options);

}  // namespace roboimi::nccl_communicator
