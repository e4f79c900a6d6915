// A CUDA graph: device work that is recorded once and replayed with one call. Internal; not
// installed.
//
//   CudaGraph graph(device);
//   graph.run_eagerly(work);                 // at least once, so lazily created state exists
//   graph.record({generator}, work);         // runs nothing on the device
//   generator.set_current_seed(seed);
//   graph.replay();                          // on the current stream
//
// A replay reads and writes the memory addresses of the recording. Its random numbers come from
// `generators`, with the seeds they have at the time of the replay. In a build without CUDA,
// available() is false and only is_recording_on() may be called besides.
#pragma once

#include <ATen/core/Generator.h>
#include <c10/core/Device.h>

#include <functional>
#include <memory>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

class ROBOIMI_EXPORT CudaGraph {
 public:
  static bool available();
  // Whether any thread of this process is recording work of the device; false for a CPU. Counts the
  // recordings of this class, because asking CUDA would need its runtime library in every build.
  static bool is_recording_on(c10::Device device);

  explicit CudaGraph(c10::Device device);
  ~CudaGraph();
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  // Runs `work` without recording, on the stream used for recording, after all earlier work on the
  // current stream; waits until it is done.
  void run_eagerly(const std::function<void()>& work);
  // Rethrows any exception from `work` or CUDA. In that case nothing is recorded, the device stays
  // usable, and `generators` must not be used again.
  void record(const std::vector<at::Generator>& generators, const std::function<void()>& work);
  bool is_recorded() const;
  void replay();
  // Waits for pending replays, then discards the recording.
  void reset();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace roboimi
