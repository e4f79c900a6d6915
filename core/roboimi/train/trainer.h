// The training loop: losses, gradients and weight updates, with metrics, checkpoints, validation
// and rollouts.
//
//   Trainer trainer({.agent = agent,
//                    .batches = [&](std::int64_t n) { return sampler.batch(n); },
//                    .checkpoints = &store,
//                    .tracker = &trackers},
//                   options);
//   if (resume) trainer.resume(read_checkpoint(*store.latest()));
//   TrainEnd end = trainer.run();
//
// All random numbers of a step come from a generator seeded by (seed, step), so that a stopped or
// killed run resumes bit-exactly from its last checkpoint. A step never waits for the device:
// losses are read once every log_every steps. On CUDA a step is one graph if the agent allows it
// (TrainOptions::cuda_graph). A non-finite loss or gradient ends the run with an Error that names
// the step, and such weights are never saved.
//
// With several processes, each has a Trainer with the same options and its own batches. Gradients
// and metrics are averaged over all. Only rank 0 tracks, saves, validates and runs rollouts, while
// the others wait. A stop request to one process ends all after the same step. At every checkpoint,
// all processes verify that they hold the same weights.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "roboimi/checkpoint/checkpoint.h"
#include "roboimi/common/export.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/communicator.h"
#include "roboimi/track/progress.h"
#include "roboimi/track/tracker.h"
#include "roboimi/train/train_options.h"

namespace roboimi {

class GraphedStep;
class MetricsWindow;
struct StepInputs;

struct TrainerParts {
  Agent& agent;  // on the device, with statistics
  // This process's n-th batch, which must depend only on n; see data/window_sampler.h. A step uses
  // TrainOptions::accumulate batches.
  std::function<Batch(std::int64_t n)> batches;
  CheckpointStore* checkpoints = nullptr;  // nullptr: nothing is saved
  Tracker* tracker = nullptr;              // nullptr: nothing is tracked
  // Evaluates the agent on held-out data and returns the metrics to track under "validation/".
  // Without rollouts, checkpoints are ranked by its "action_error".
  // Called in rank 0 with the averaged weights in place. May be empty.
  std::function<std::map<std::string, double>(std::int64_t step)> validation = {};
  // Runs rollouts and returns the metrics to track; checkpoints are ranked by "success_rate".
  // Called in rank 0 with the averaged weights in place. May be empty, but only in all processes.
  std::function<std::map<std::string, double>(std::int64_t step)> rollouts = {};
  // Called after every step; true saves a checkpoint and ends the run.
  std::function<bool()> should_stop = {};
  Communicator* communicator = nullptr;  // nullptr: a single process
  std::uint64_t seed = 0;
  c10::Device device = c10::kCPU;
  // Stored in every checkpoint.
  std::string config_yaml = {};
  std::optional<ActionRange> action_range = {};
  std::optional<StateRange> state_range = {};
};

enum class TrainEnd { kFinished, kInterrupted };

class ROBOIMI_EXPORT Trainer {
 public:
  // Flattens the agent's trainable parameters: its device and dtype must be final.
  Trainer(TrainerParts parts, const TrainOptions& options);
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  // Restores weights, average, optimizer and step. If the validation or the rollouts of that step
  // are missing, run() begins with them.
  void resume(const Checkpoint& checkpoint);
  TrainEnd run();

  std::int64_t step() const { return step_; }  // finished steps
  Ema* ema() { return ema_.get(); }

 private:
  void train_step();
  bool train_graphed_step();
  void graph_steps();
  void graphed_body(StepInputs& inputs);
  void check_recordable(const LossReport& report) const;
  void give_up_graph(const std::string& reason);
  void drop_graph();
  Batch next_batch(std::int64_t batch_index);
  std::uint64_t seed_of(std::int64_t batch_index) const;
  LossReport add_gradients(std::int64_t batch_index);
  LossReport add_gradients(const Batch& batch, at::Generator& generator);
  void log();
  void check_memory() const;
  void check_views() const;
  void check_finite() const;
  void save();
  NumericConditions conditions() const;
  bool validation_due() const;
  void validate();
  std::optional<std::map<std::string, double>> measure_validation();
  void repeat_validation();
  bool rollouts_due() const;
  void roll_out();
  std::optional<std::map<std::string, double>> measure_rollouts();
  bool leads() const { return parts_.communicator->rank() == 0; }
  bool stop_requested() const { return parts_.should_stop && parts_.should_stop(); }

  TrainerParts parts_;
  TrainOptions options_;
  SingleProcess single_process_;
  std::unique_ptr<FlatParameters> flat_;
  std::unique_ptr<AdamW> optimizer_;
  std::unique_ptr<Ema> ema_;
  std::unique_ptr<MetricsWindow> window_;  // since the last line of metrics
  std::unique_ptr<GraphedStep> graphed_;   // nullptr: steps run without a CUDA graph
  std::unique_ptr<Progress> progress_;
  std::map<std::string, double> metrics_;  // of the last line
  MetricsSums unlogged_;                   // unfinished window of the resumed checkpoint
  std::int64_t step_ = 0;
  std::int64_t saved_step_ = -1;       // of the last checkpoint
  std::int64_t rolled_out_step_ = -1;  // of the last rollouts
  struct {
    std::int64_t step = -1;
    std::map<std::string, double> results;
  } validation_;  // the last one
};

}  // namespace roboimi
