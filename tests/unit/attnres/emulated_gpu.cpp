#include "tests/unit/attnres/emulated_gpu.h"

#include <ucontext.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <stdexcept>
#include <vector>

#include "modules/attnres/gpu/arguments.h"

namespace roboimi::attnres::gpu::emulation {

// What CUDA predefines.
struct Dim {
  unsigned x = 0, y = 0;
};
Dim threadIdx, blockIdx, blockDim, gridDim;
float shared[16 * 1024];

constexpr unsigned kNumThreads = 96;  // three warps: fewer than a GPU's block has
constexpr unsigned kWarp = 32;
constexpr std::size_t kStackBytes = 64 * 1024;

enum class State { kReady, kAtBlockBarrier, kAtWarpBarrier, kDone };

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack;
  State state = State::kDone;
};

std::vector<Fiber> fibers(kNumThreads);
ucontext_t scheduler;
const std::function<void()>* body = nullptr;
float exchanged[kNumThreads];

void run_body() {
  (*body)();
  fibers[threadIdx.x].state = State::kDone;
}

void wait(State at) {
  Fiber& fiber = fibers[threadIdx.x];
  fiber.state = at;
  swapcontext(&fiber.context, &scheduler);
}

void __syncthreads() { wait(State::kAtBlockBarrier); }

float __shfl_xor_sync(unsigned, float x, int offset) {
  exchanged[threadIdx.x] = x;
  wait(State::kAtWarpBarrier);
  const float other = exchanged[threadIdx.x ^ static_cast<unsigned>(offset)];
  wait(State::kAtWarpBarrier);
  return other;
}

unsigned __float_as_uint(float x) { return std::bit_cast<std::uint32_t>(x); }

// Lets the fibers [begin, end) go on if all of them wait at the barrier.
bool release(unsigned begin, unsigned end, State barrier) {
  const auto first = fibers.begin() + begin, last = fibers.begin() + end;
  if (!std::all_of(first, last, [&](const Fiber& f) { return f.state == barrier; })) return false;
  std::for_each(first, last, [](Fiber& f) { f.state = State::kReady; });
  return true;
}

bool release_any() {
  bool any = release(0, kNumThreads, State::kAtBlockBarrier);
  for (unsigned warp = 0; warp < kNumThreads; warp += kWarp) {
    any = release(warp, warp + kWarp, State::kAtWarpBarrier) || any;
  }
  return any;
}

void run_block(const std::function<void()>& kernel, bool backward) {
  body = &kernel;
  std::fill(std::begin(shared), std::end(shared), std::numeric_limits<float>::quiet_NaN());
  for (Fiber& fiber : fibers) {
    if (!fiber.stack) fiber.stack = std::make_unique<char[]>(kStackBytes);
    getcontext(&fiber.context);
    fiber.context.uc_stack = {.ss_sp = fiber.stack.get(), .ss_flags = 0, .ss_size = kStackBytes};
    fiber.context.uc_link = &scheduler;
    makecontext(&fiber.context, run_body, 0);
    fiber.state = State::kReady;
  }
  do {
    for (unsigned i = 0; i < kNumThreads; ++i) {
      threadIdx.x = backward ? kNumThreads - 1 - i : i;
      Fiber& fiber = fibers[threadIdx.x];
      if (fiber.state == State::kReady) swapcontext(&scheduler, &fiber.context);
    }
  } while (release_any());
  if (!std::all_of(fibers.begin(), fibers.end(),
                   [](const Fiber& f) { return f.state == State::kDone; })) {
    throw std::logic_error("the threads of a block wait at different barriers");
  }
}

#define __global__
#define __device__
#define __shared__
#define __launch_bounds__(threads, blocks)
#include "modules/attnres/gpu/kernels.cu"
#undef __global__
#undef __device__
#undef __shared__
#undef __launch_bounds__

template <typename Arguments>
std::function<void()> bind(void (*kernel)(Arguments), const void* arguments) {
  return [kernel, a = *static_cast<const Arguments*>(arguments)] { kernel(a); };
}

std::function<void()> bind(Kernel kernel, const void* arguments) {
  switch (kernel) {
    case Kernel::kReadDepth:
      return bind(read_depth, arguments);
    case Kernel::kReadDepthBackward:
      return bind(read_depth_backward, arguments);
    case Kernel::kAttend:
      return bind(attend, arguments);
    case Kernel::kAttendBackward:
      return bind(attend_backward, arguments);
    case Kernel::kSwiGlu:
      return bind(swiglu, arguments);
    case Kernel::kSwiGluBackward:
      return bind(swiglu_backward, arguments);
  }
  throw std::logic_error("no such kernel");
}

}  // namespace roboimi::attnres::gpu::emulation

namespace roboimi::attnres::gpu {

void EmulatedGpu::launch(Kernel kernel, Grid grid, std::size_t shared_floats,
                         const void* arguments) const {
  if (shared_floats > max_shared_floats()) throw std::logic_error("too much shared memory");
  const std::function<void()> run = emulation::bind(kernel, arguments);
  emulation::blockDim = {.x = emulation::kNumThreads, .y = 1};
  emulation::gridDim = {.x = static_cast<unsigned>(grid.x), .y = static_cast<unsigned>(grid.y)};
  for (unsigned y = 0; y < emulation::gridDim.y; ++y) {
    for (unsigned x = 0; x < emulation::gridDim.x; ++x) {
      emulation::blockIdx = {.x = x, .y = y};
      emulation::run_block(run, order_ == Order::kBackward);
    }
  }
}

}  // namespace roboimi::attnres::gpu
