// How the trainer talks to the other processes of a run. One process is the trivial case; others
// are components of plugins.
//
//   communicator.all_reduce(gradients);
//   gradients.div_(communicator.size());
//
// Collective: every process makes the same calls in the same order, with tensors of the same shape
// and dtype. Tensors may be of any layout in memory and on any device. A call that fails is an
// Error; what was begun between the processes is then lost, and the run with it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

class ROBOIMI_EXPORT Communicator {
 public:
  virtual ~Communicator();

  virtual std::int64_t rank() const = 0;
  virtual std::int64_t size() const = 0;
  // The sum over all processes, in place: the same bits everywhere. Collective.
  virtual void all_reduce(at::Tensor& tensor) = 0;
  // Rank `root`'s values to everyone, in place. Collective.
  virtual void broadcast(at::Tensor& tensor, std::int64_t root) = 0;
  // Returns when all have called it. Collective.
  virtual void barrier() = 0;
  // The rank among the processes of this machine, which share its GPUs.
  virtual std::int64_t local_rank() const = 0;
  // All processes have done their part, and may end one by one. Collective, and the last call. A
  // process that ends without it has failed, and takes the others with it.
  virtual void finish() = 0;
};

// The mean over all processes of a tensor of one shape, differentiable. Gradients are averaged like
// the tensor: a loss that every process computes from such means has, once the trainer has averaged
// the processes' gradients, the gradient of the whole batch. Collective in both directions.
ROBOIMI_EXPORT at::Tensor average(const at::Tensor& local, Communicator& communicator);

// Whether it is true in any process. Collective.
ROBOIMI_EXPORT bool any_process(bool here, Communicator& communicator);

// Rank 0's text. Collective.
ROBOIMI_EXPORT std::string broadcast_text(const std::string& text, Communicator& communicator);

// Does the work in rank 0 and then in the others, which find what it left on the disk. Collective.
ROBOIMI_EXPORT void first_rank_first(Communicator& communicator, const std::function<void()>& work);

// The only process of its run.
class ROBOIMI_EXPORT SingleProcess final : public Communicator {
 public:
  std::int64_t rank() const override { return 0; }
  std::int64_t size() const override { return 1; }
  void all_reduce(at::Tensor&) override {}
  void broadcast(at::Tensor&, std::int64_t) override {}
  void barrier() override {}
  std::int64_t local_rank() const override { return 0; }
  void finish() override {}
};

}  // namespace roboimi
