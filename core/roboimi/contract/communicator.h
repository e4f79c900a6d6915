// A communicator: the collective operations between the processes of a training run.
// SingleProcess is the trivial implementation; others are plugin components.
//
//   communicator.all_reduce(gradients);
//   gradients.div_(communicator.size());
//
// "Collective" below means: every process must make the same calls in the same order, with tensors
// of the same shape and dtype. Tensors may have any memory layout and be on any device. A call that
// fails throws Error. The communicator is unusable after that, and the run must end.
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
  // Replaces `tensor` with its sum over all processes, bit-identical in each. Collective.
  virtual void all_reduce(at::Tensor& tensor) = 0;
  // Replaces `tensor` with that of rank `root`. Collective.
  virtual void broadcast(at::Tensor& tensor, std::int64_t root) = 0;
  // Returns when every process has called it. Collective.
  virtual void barrier() = 0;
  // The rank among the processes on this machine, which share its GPUs.
  virtual std::int64_t local_rank() const = 0;
  // Marks the end of the work: after this, processes may exit one by one. Collective, and the last
  // call. A process that exits without it counts as failed, and the others are ended too.
  virtual void finish() = 0;
};

// The mean of a tensor over all processes, differentiable; the backward pass averages gradients the
// same way. If every process computes its loss from such means, the gradients averaged by the
// trainer equal the gradient of the whole batch. Collective, in the forward and backward pass.
ROBOIMI_EXPORT at::Tensor average(const at::Tensor& local, Communicator& communicator);

// Whether `here` is true in any process. Collective.
ROBOIMI_EXPORT bool any_process(bool here, Communicator& communicator);

// Returns rank 0's string in every process. Collective.
ROBOIMI_EXPORT std::string broadcast_text(const std::string& text, Communicator& communicator);

// Runs `work` in rank 0 and then in the other ranks, which can use the files that rank 0 wrote.
// Collective.
ROBOIMI_EXPORT void first_rank_first(Communicator& communicator, const std::function<void()>& work);

// The communicator of a run with one process.
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
