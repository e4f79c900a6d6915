// Runs the kernels of kernels.cu: on a CUDA device, or in a test on the CPU.
#pragma once

#include <c10/core/Device.h>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace roboimi::attnres::gpu {

enum class Kernel {
  kReadDepth,
  kReadDepthBackward,
  kAttend,
  kAttendBackward,
  kSwiGlu,
  kSwiGluBackward
};
inline constexpr std::size_t kNumKernels = 6;
inline constexpr const char* kKernelNames[kNumKernels] = {
    "read_depth", "read_depth_backward", "attend", "attend_backward", "swiglu", "swiglu_backward"};

struct Grid {
  std::int64_t x, y = 1;
};

class Launcher {
 public:
  virtual ~Launcher() = default;
  // Queues `kernel` behind the work that is under way, with `shared_floats` floats of shared memory
  // a block. `arguments` points to the kernel's argument struct, and is copied. Error where that
  // fails.
  virtual void launch(Kernel kernel, Grid grid, std::size_t shared_floats,
                      const void* arguments) const = 0;
  // The most that a block can have.
  virtual std::size_t max_shared_floats() const = 0;
};

// The launcher of a CUDA device: compiles the kernels by NVRTC, which CUDA builds of libtorch bring
// along. Error where that fails. The device must be in use by this thread.
std::unique_ptr<Launcher> make_cuda_launcher(c10::Device device);

// Whether the work that this thread queues is being captured into a CUDA graph. Error without CUDA.
bool is_capturing(c10::Device device);

}  // namespace roboimi::attnres::gpu
