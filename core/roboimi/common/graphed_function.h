// A function of tensors that runs as one CUDA graph for each combination of input shapes, so that
// the host launches its many small kernels with a single call. Internal; not installed.
//
//   GraphedFunction encode("the encoder", {.tolerance = 1e-3},
//                          [&](const std::vector<at::Tensor>& views) { return network(views[0]);
//                          });
//   at::Tensor features = encode.run({frames});        // a new tensor
//
// The function must depend only on its inputs and on tensors that stay at their addresses, draw no
// random numbers, and neither read from the device nor need gradients. Inputs are copied to fixed
// addresses and the output is copied from one.
//
// For new shapes on a CUDA device, the function runs twice without a graph, is recorded, and the
// replay is compared with the second run. If recording fails or the results differ, one warning is
// logged and the function runs without a graph from then on. It also runs without one on a CPU, for
// more than kMostGraphs combinations of shapes, and while the caller itself is being recorded into
// a graph.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

class ROBOIMI_EXPORT GraphedFunction {
 public:
  static constexpr std::size_t kMostGraphs = 16;

  struct Options {
    // Largest difference between the replay and the run without a graph, relative to the largest
    // absolute value. Not 0, because libraries may choose other algorithms while recording.
    double tolerance = 1e-3;
  };
  using Function = std::function<at::Tensor(const std::vector<at::Tensor>& inputs)>;

  // `name` is for the warning.
  GraphedFunction(std::string name, const Options& options, Function function);
  ~GraphedFunction();
  GraphedFunction(const GraphedFunction&) = delete;
  GraphedFunction& operator=(const GraphedFunction&) = delete;

  // All inputs must be on one device. Safe to call from several threads.
  at::Tensor run(const std::vector<at::Tensor>& inputs);
  // Discards the recordings: necessary after a tensor that the function uses has been replaced.
  void drop();

  std::size_t num_graphs() const { return graphs_.size(); }

 private:
  struct Recording;

  Recording* recording_of(const std::vector<at::Tensor>& inputs);
  std::unique_ptr<Recording> record(const std::vector<at::Tensor>& inputs) const;

  std::string name_;
  Options options_;
  Function function_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Recording>> graphs_;  // by shapes and dtypes
  bool has_failed_ = false;
};

// The largest absolute difference, divided by the largest absolute value of `expected` (1 if that
// is 0). Infinite if a value is NaN or the shapes differ. Waits for the device.
ROBOIMI_EXPORT double relative_difference(const at::Tensor& found, const at::Tensor& expected);

}  // namespace roboimi
