// Work on a CUDA device, recorded once and replayed by one call. Not installed API.
//
//   CudaGraph graph(device);
//   graph.run_beside(work);                  // at least once: what the first call makes must exist
//   graph.record({generator}, work);         // runs nothing on the device
//   generator.set_current_seed(seed);
//   graph.replay();                          // on the current stream
//
// A replay reads and writes the addresses of the recording. What it draws comes from the seeds that
// `generators` have at the replay. Without CUDA in the build available() is false, and nothing else
// may be called.
#pragma once

#include <ATen/core/Generator.h>
#include <c10/core/Device.h>

#include <functional>
#include <memory>
#include <vector>

namespace roboimi {

class CudaGraph {
 public:
  static bool available();

  explicit CudaGraph(c10::Device device);
  ~CudaGraph();
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  // Runs `work` on the stream of the recording, after all before it; waits for it.
  void run_beside(const std::function<void()>& work);
  // Throws what `work` or CUDA throws; then nothing is recorded, the device can be used as before,
  // and `generators` must not be used again.
  void record(const std::vector<at::Generator>& generators, const std::function<void()>& work);
  bool is_recorded() const;
  void replay();
  // Forgets the recording, after waiting for its replays.
  void reset();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace roboimi
