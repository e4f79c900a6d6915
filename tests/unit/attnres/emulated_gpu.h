// Runs GPU kernels on the CPU. The threads of a block are fibers, which run one after another from
// barrier to barrier. This is slow, but the results differ from a GPU's only by rounding.
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
