// A training step that runs as one CUDA graph: a single call launches the thousands of small
// kernels that the host would otherwise launch one by one. Internal; not installed.
//
//   GraphedStep graphed(device, {.parts = 1, .weight_type = at::kFloat}, [&](StepInputs& inputs) {
//     flat.zero_gradients();
//     agent.loss(inputs.batches[0].batch(), inputs.generators[0]).loss.backward();
//     optimizer.step(inputs.learning_rate);
//   });
//   graphed.set_batch(0, batch);
//   graphed.run({.seeds = {mix_seed(seed, step)}, .learning_rate = 1e-4, .step = step});
//
// The first steps run the body eagerly, on the stream used for recording, because tensors that the
// agent creates once and keeps (such as tables of position encodings) must exist before the
// recording. Then the body is recorded, without executing it, and replayed from then on. A
// recording holds memory addresses: the body must read everything that changes from step to step
// from its inputs, and parameters, gradients and moments must stay in place. Work between two steps
// may replace tensors that the agent keeps; call drop() after it, which causes one eager step and a
// new recording.
//
// CannotRecord is thrown if the body reads from the device or a batch has a different shape. In
// that case, no part of the step has been done, and the caller runs it without a graph.
#pragma once

#include <ATen/core/Generator.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "roboimi/common/cuda_graph.h"
#include "roboimi/common/export.h"
#include "roboimi/contract/observation.h"
#include "roboimi/train/train_options.h"

namespace roboimi {

// Throws Error if the configuration requires a CUDA graph (`train.cuda_graph: on`) and `device`
// does not support one.
void check_cuda_graph(CudaGraphUse use, c10::Device device);

class CannotRecord : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A batch at fixed memory addresses, whose values change from step to step.
class ROBOIMI_EXPORT StaticBatch {
 public:
  // Copies the values of `from`; the first call allocates the tensors. Returns an empty string, or,
  // if shapes or dtypes differ, a description of the difference; then nothing is copied.
  std::string copy(const Batch& from);
  const Batch& batch() const { return batch_; }

 private:
  Batch batch_;
  bool is_made_ = false;
};

// The inputs of the body, at fixed addresses on the device.
struct StepInputs {
  std::vector<StaticBatch> batches;       // one per part
  std::vector<at::Generator> generators;  // one per part
  at::Tensor learning_rate;               // 0-d float
  at::Tensor average_weight;              // 0-d: weight of the new parameters in their average
  at::Tensor step;                        // 0-d int64: this step's number, counted from 1
  bool is_recording = false;
};

// The values of one step; run() copies them into StepInputs.
struct StepNumbers {
  std::vector<std::uint64_t> seeds;  // one per part
  double learning_rate = 0.0;
  double average_weight = 0.0;
  std::int64_t step = 0;
};

class GraphedStep {
 public:
  struct Options {
    std::int64_t parts = 1;  // batches per step
    at::ScalarType weight_type = at::kFloat;
  };
  using Body = std::function<void(StepInputs& inputs)>;

  // CudaGraph::available() must be true, and `device` a CUDA device.
  GraphedStep(c10::Device device, const Options& options, Body body);
  ~GraphedStep();
  GraphedStep(const GraphedStep&) = delete;
  GraphedStep& operator=(const GraphedStep&) = delete;

  void set_batch(std::int64_t part, const Batch& batch);
  void run(const StepNumbers& numbers);
  void drop();

 private:
  void record();

  c10::Device device_;
  Body body_;
  StepInputs inputs_;
  CudaGraph graph_;
  std::int64_t eager_steps_left_;
  bool was_recorded_ = false;
};

}  // namespace roboimi
