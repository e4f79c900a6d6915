// The GPU's kernels on the CPU: the threads of a block are fibers, which run one after the other
// from barrier to barrier. Slow, and exact: what a kernel computes here differs from a GPU in
// rounding alone.
#pragma once

#include <cstddef>

#include "modules/attnres/gpu/launcher.h"

namespace roboimi::attnres::gpu {

class EmulatedGpu : public Launcher {
 public:
  // In which order the threads run between two barriers. A kernel that lacks a barrier gives other
  // results in another order.
  enum class Order { kForward, kBackward };
  explicit EmulatedGpu(Order order = Order::kForward) : order_(order) {}

  void launch(Kernel kernel, Grid grid, std::size_t shared_floats,
              const void* arguments) const override;
  std::size_t max_shared_floats() const override { return 12 * 1024; }

 private:
  Order order_;
};

}  // namespace roboimi::attnres::gpu
