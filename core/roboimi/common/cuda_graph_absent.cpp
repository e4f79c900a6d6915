// Replaces cuda_graph.cpp in builds without CUDA.
#include "roboimi/common/cuda_graph.h"
#include "roboimi/common/error.h"

namespace roboimi {

struct CudaGraph::State {};

bool CudaGraph::available() { return false; }
bool CudaGraph::is_recording_on(c10::Device) { return false; }

CudaGraph::CudaGraph(c10::Device device) {
  ROBOIMI_CHECK(false, c10::str("a CUDA graph on ", device, " in a build without CUDA"));
}
CudaGraph::~CudaGraph() = default;

void CudaGraph::run_eagerly(const std::function<void()>&) {}
void CudaGraph::record(const std::vector<at::Generator>&, const std::function<void()>&) {}
bool CudaGraph::is_recorded() const { return false; }
void CudaGraph::replay() {}
void CudaGraph::reset() {}

}  // namespace roboimi
