// A training step as one CUDA graph: thousands of small kernels that the host would launch one by
// one are launched by a single call. Not installed API.
//
//   GraphedStep graphed(device, {.parts = 1, .weight_type = at::kFloat}, [&](StepInputs& inputs) {
//     flat.zero_gradients();
//     agent.loss(inputs.batches[0].batch(), inputs.generators[0]).loss.backward();
//     optimizer.step(inputs.learning_rate);
//   });
//   graphed.set_batch(0, batch);
//   graphed.run({.seeds = {mix_seed(seed, step)}, .learning_rate = 1e-4, .step = step});
//
// The first steps run the body as it is, on the stream of the recording: what the agent makes once
// and keeps (tables of angles) must be there before. Then the body is recorded, without effect, and
// from then on replayed. A recording holds addresses: the body reads whatever changes from step to
// step from its inputs, and parameters, gradients and moments stay where they are. Work between two
// steps may have replaced what the agent keeps, so drop() after it: one step as it is, and a new
// recording.
//
// CannotRecord: the body reads from the device, or a batch has another shape. Nothing of the step
// has been done then, and the caller does it in its own way.
#pragma once

#include <ATen/core/Generator.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/observation.h"
#include "roboimi/train/cuda_graph.h"
#include "roboimi/train/train_options.h"

namespace roboimi {

// Error, saying why, where `train.cuda_graph: on` is asked for and `device` has no CUDA graphs.
void check_cuda_graph(CudaGraphUse asked, c10::Device device);

class CannotRecord : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A batch that stays at its place in memory while its values change.
class ROBOIMI_EXPORT StaticBatch {
 public:
  // The first call makes the tensors. Returns what does not fit into them, in words, and copies
  // nothing then; empty when all was copied.
  std::string copy(const Batch& from);
  const Batch& batch() const { return batch_; }

 private:
  Batch batch_;
  bool is_made_ = false;
};

// What the body reads.
struct StepInputs {
  std::vector<StaticBatch> batches;  // one a part
  std::vector<at::Generator> generators;
  at::Tensor learning_rate;   // 0-d float
  at::Tensor average_weight;  // 0-d, of the new parameters in their average
  at::Tensor step;            // 0-d int64: this step's number, counted from 1
  bool is_recording = false;
};

struct StepNumbers {
  std::vector<std::uint64_t> seeds;  // one a part
  double learning_rate = 0.0;
  double average_weight = 0.0;
  std::int64_t step = 0;
};

class GraphedStep {
 public:
  struct Options {
    std::int64_t parts = 1;  // batches in a step
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
