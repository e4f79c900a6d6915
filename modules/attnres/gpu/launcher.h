// The interface that launches the kernels of kernels.cu, on a CUDA device or, in a test, on the
// CPU.
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
  // Queues `kernel` after the current work, with `shared_floats` floats of shared memory per block.
  // `arguments` points to the kernel's argument struct, which is copied. Throws Error on failure.
  virtual void launch(Kernel kernel, Grid grid, std::size_t shared_floats,
                      const void* arguments) const = 0;
  // The maximum shared memory per block.
  virtual std::size_t max_shared_floats() const = 0;
};

// Creates the launcher for a CUDA device. Compiles the kernels with NVRTC, which is part of CUDA
// builds of libtorch. Throws Error on failure. The device must be the current one of this thread.
std::unique_ptr<Launcher> make_cuda_launcher(c10::Device device);

// Whether this thread's work is being captured into a CUDA graph. Throws Error without CUDA.
bool is_capturing(c10::Device device);

}  // namespace roboimi::attnres::gpu
