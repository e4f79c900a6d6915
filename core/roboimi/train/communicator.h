// How the trainer talks to the other processes of a run. One process is the trivial case; MPI and
// NCCL implement the same interface.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "roboimi/common/export.h"

namespace roboimi {

class ROBOIMI_EXPORT Communicator {
 public:
  virtual ~Communicator();

  virtual std::int64_t rank() const = 0;
  virtual std::int64_t size() const = 0;
  // The sum over all processes, in place. Collective: every process calls in the same order.
  virtual void all_reduce(at::Tensor& tensor) = 0;
  // Rank `root`'s values to everyone, in place.
  virtual void broadcast(at::Tensor& tensor, std::int64_t root) = 0;
  virtual void barrier() = 0;
};

// The mean over all processes of a tensor of one shape, differentiable. Gradients are averaged like
// the tensor: a loss that every process computes from such means has, once the trainer has averaged
// the processes' gradients, the gradient of the whole batch. Collective in both directions.
ROBOIMI_EXPORT at::Tensor average(const at::Tensor& local, Communicator& communicator);

// The only process of its run.
class ROBOIMI_EXPORT SingleProcess final : public Communicator {
 public:
  std::int64_t rank() const override { return 0; }
  std::int64_t size() const override { return 1; }
  void all_reduce(at::Tensor&) override {}
  void broadcast(at::Tensor&, std::int64_t) override {}
  void barrier() override {}
};

}  // namespace roboimi
