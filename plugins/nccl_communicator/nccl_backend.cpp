// For builds against a libtorch with CUDA. Its header declares its classes only with this
// definition.
#define USE_C10D_NCCL
#include <torch/cuda.h>

#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include "plugins/nccl_communicator/backends.h"

namespace roboimi::nccl_communicator {

std::string why_no_nccl() {
  return torch::cuda::is_available() ? "" : "libtorch finds no GPU on this machine";
}

c10::intrusive_ptr<c10d::Backend> make_nccl(const c10::intrusive_ptr<c10d::Store>& store,
                                            const Launch& launch,
                                            std::chrono::milliseconds timeout) {
  const auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = timeout;
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(store, static_cast<int>(launch.rank),
                                                     static_cast<int>(launch.size), options);
}

}  // namespace roboimi::nccl_communicator
