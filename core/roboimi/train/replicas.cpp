#include "roboimi/train/replicas.h"

#include <fmt/format.h>
#include <torch/utils.h>

#include "roboimi/common/error.h"
#include "roboimi/io/tensor_map.h"

namespace roboimi {

void share_state(const torch::nn::Module& module, Communicator& communicator) {
  const torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : tensors_of(module)) communicator.broadcast(tensor, 0);
}

void share_buffers(const torch::nn::Module& module, Communicator& communicator) {
  const torch::NoGradGuard no_grad;
  for (at::Tensor& buffer : module.buffers()) {
    if (buffer.defined()) communicator.broadcast(buffer, 0);
  }
}

void require_same_parameters(const FlatParameters& parameters, Communicator& communicator,
                             const std::string& where) {
  if (communicator.size() == 1) return;
  at::Tensor checksum = at::zeros({}, at::kLong);
  for (const FlatGroup& group : parameters.groups()) {
    // Sum the bits as integers, so that NaN equals itself and 0 differs from -0.
    checksum += group.parameters.view(at::kInt).sum(at::kLong).cpu();
  }
  at::Tensor first = checksum.clone();
  communicator.broadcast(first, 0);
  if (!any_process(!at::equal(first, checksum), communicator)) return;
  throw Error(
      {.what = "the processes no longer hold the same weights",
       .where = where,
       .expected = fmt::format("rank 0's checksum {:x}", first.item<std::int64_t>()),
       .found = fmt::format("{:x} in rank {}", checksum.item<std::int64_t>(), communicator.rank()),
       .next = "run all processes on machines of the same kind (CPU, GPU, libtorch) with the same "
               "train.threads"});
}

LocalLosses::LocalLosses(Agent& agent, Communicator& communicator)
    : agent_(agent), communicator_(communicator) {
  if (communicator_.size() > 1) agent_.share_batches(single_process_);
}

LocalLosses::~LocalLosses() {
  if (communicator_.size() > 1) agent_.share_batches(communicator_);
}

}  // namespace roboimi
