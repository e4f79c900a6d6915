#include "roboimi/common/cuda_graph.h"

#include <ATen/core/CachingHostAllocator.h>
#include <ATen/cuda/CUDAGeneratorImpl.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/StreamGuard.h>
#include <c10/cuda/CUDACachingAllocator.h>

#include <array>
#include <atomic>
#include <exception>

namespace roboimi {
namespace {

using at::cuda::CUDAGraph;

// How many recordings of a device are in progress.
std::atomic<int>& recordings_on(c10::DeviceIndex device) {
  static std::array<std::atomic<int>, C10_COMPILE_TIME_MAX_GPUS> recordings{};
  return recordings.at(static_cast<std::size_t>(device));
}

class CountedRecording {
 public:
  explicit CountedRecording(c10::DeviceIndex device) : recordings_(recordings_on(device)) {
    ++recordings_;
  }
  ~CountedRecording() { --recordings_; }
  CountedRecording(const CountedRecording&) = delete;
  CountedRecording& operator=(const CountedRecording&) = delete;

 private:
  std::atomic<int>& recordings_;
};

bool succeeds(const std::function<void()>& work) {
  try {
    work();
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

// Cleans up after a capture that CUDA rejected: libtorch's allocators and the default generator are
// still in capture mode. They hold pointers into `graph`, which therefore must outlive them.
void abandon(std::unique_ptr<CUDAGraph> graph, c10::DeviceIndex device, c10::MempoolId_t pool) {
  namespace allocator = c10::cuda::CUDACachingAllocator;
  // If this call fails, capture_end() has ended the allocation, and the graph frees its own memory.
  if (succeeds([&] { allocator::endAllocateToPool(device, pool); })) {
    succeeds([&] { allocator::releasePool(device, pool); });
    at::HostAllocator* host = at::getHostAllocator(at::kCUDA);
    succeeds([&] { host->end_allocate_to_pool(pool); });
    succeeds([&] { host->release_pool(pool); });
    (void)graph.release();
  }
  succeeds([&] {
    at::Generator shared = at::cuda::detail::getDefaultCUDAGenerator(device);
    const std::lock_guard lock(shared.mutex());
    shared.graphsafe_set_state(shared.clone());
  });
}

}  // namespace

struct CudaGraph::State {
  c10::cuda::CUDAStream stream;
  std::unique_ptr<CUDAGraph> graph;
};

bool CudaGraph::available() { return true; }

bool CudaGraph::is_recording_on(c10::Device device) {
  return device.is_cuda() && recordings_on(device.index()) > 0;
}

CudaGraph::CudaGraph(c10::Device device)
    : state_(new State{
          .stream = c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device.index())}) {}

CudaGraph::~CudaGraph() {
  succeeds([this] { reset(); });  // a device error was already thrown to its last user
}

void CudaGraph::run_eagerly(const std::function<void()>& work) {
  c10::cuda::getCurrentCUDAStream(state_->stream.device_index()).synchronize();
  const c10::StreamGuard guard(state_->stream.unwrap());
  work();
  state_->stream.synchronize();
}

void CudaGraph::record(const std::vector<at::Generator>& generators,
                       const std::function<void()>& work) {
  reset();
  const c10::DeviceIndex device = state_->stream.device_index();
  c10::cuda::getCurrentCUDAStream(device).synchronize();
  // The recording has its own memory pool and cannot use blocks cached by eager steps: free them.
  c10::cuda::CUDACachingAllocator::emptyCache();
  const c10::StreamGuard guard(state_->stream.unwrap());
  const c10::MempoolId_t pool = at::cuda::graph_pool_handle();
  auto graph = std::make_unique<CUDAGraph>();
  bool is_ended = false;
  const CountedRecording counted(device);
  try {
    for (const at::Generator& generator : generators) graph->register_generator_state(generator);
    graph->capture_begin(pool, cudaStreamCaptureModeThreadLocal);
    work();
    is_ended = true;
    graph->capture_end();
  } catch (...) {
    // Always end the capture, or the stream would stay in capture mode.
    const bool is_clean = !is_ended && succeeds([&] { graph->capture_end(); });
    if (!is_clean) abandon(std::move(graph), device, pool);
    throw;
  }
  state_->graph = std::move(graph);
}

bool CudaGraph::is_recorded() const { return state_->graph != nullptr; }

void CudaGraph::replay() { state_->graph->replay(); }

void CudaGraph::reset() {
  if (!is_recorded()) return;
  c10::cuda::getCurrentCUDAStream(state_->stream.device_index()).synchronize();
  state_->graph.reset();
}

}  // namespace roboimi
