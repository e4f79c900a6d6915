// The training loop: batches to losses to flat-buffer updates, with checkpoints and rollouts.
//
//   Trainer trainer({.agent = agent, .batches = [&](std::int64_t step) { return
//   sampler.batch(step); },
//                    .checkpoints = &store, .tracker = &trackers}, options);
//   if (resume) trainer.resume(read_checkpoint(*store.latest()));
//   TrainEnd end = trainer.run();
//
// Everything a step draws comes from a generator seeded by (seed, step), so that a run that was
// stopped, however, continues to the bit from its last checkpoint. A step never waits for the
// device: losses are read once every log_every steps. On CUDA a step is one graph where the agent
// allows it (TrainOptions::cuda_graph). A loss or gradient that is not finite stops
// the run with an Error that names the step, and is never saved.
//
// With several processes each has a Trainer of the same options, with batches of its own. Gradients
// and metrics are means over all; rank 0 alone tracks, saves, validates and rolls out, while the
// others wait; a stop that one was asked for ends all after the same step. Every checkpoint
// confirms that all hold the same weights.
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
  // This process's n-th batch, a function of n alone; see data/window_sampler.h. A step takes
  // TrainOptions::accumulate of them.
  std::function<Batch(std::int64_t n)> batches;
  // May be nullptr: nothing is saved, nothing is tracked.
  CheckpointStore* checkpoints = nullptr;
  Tracker* tracker = nullptr;
  // Measures the agent on data that it is not trained on, with the averaged weights in place, and
  // returns what is to be tracked under "validation/". May be empty; called in rank 0.
  std::function<std::map<std::string, double>(std::int64_t step)> validation = {};
  // Rolls the agent out, with the averaged weights in place, and returns what is to be tracked and
  // ranked ("success_rate"). May be empty, in all processes alike; called in rank 0.
  std::function<std::map<std::string, double>(std::int64_t step)> rollouts = {};
  // Asked after every step; true saves a checkpoint and ends the run.
  std::function<bool()> should_stop = {};
  Communicator* communicator = nullptr;  // nullptr: the only process
  std::uint64_t seed = 0;
  c10::Device device = c10::kCPU;
  // Go into every checkpoint.
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

  // Restores weights, average, optimiser and step. Rollouts that the checkpoint still owes are made
  // up for by run().
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
  std::unique_ptr<GraphedStep> graphed_;   // nullptr: steps are not recorded
  std::unique_ptr<Progress> progress_;
  std::map<std::string, double> metrics_;  // of the last line
  MetricsSums unlogged_;                   // of the checkpoint that is gone on from
  std::int64_t step_ = 0;
  std::int64_t saved_step_ = -1;       // of the last checkpoint
  std::int64_t rolled_out_step_ = -1;  // of the last rollouts
};

}  // namespace roboimi
