// A training run, from the parsed options to the last checkpoint. See experiment.h. Internal to
// train.
//
//   return Experiment(root, options).run();
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "roboimi/checkpoint/checkpoint_folder.h"
#include "roboimi/checkpoint/loaded_run.h"
#include "roboimi/common/process_lock.h"
#include "roboimi/contract/environment.h"
#include "roboimi/track/swanlab_follower.h"
#include "roboimi/train/experiment.h"
#include "roboimi/train/experiment_options.h"
#include "roboimi/train/run_folder.h"
#include "roboimi/train/stop_request.h"
#include "roboimi/train/team.h"
#include "roboimi/train/trainer.h"
#include "roboimi/train/training_data.h"
#include "roboimi/train/validation.h"

namespace roboimi {

class Experiment {
 public:
  Experiment(const ConfigNode& root, const RunOptions& run)
      : options_(experiment_options(root)),
        experiment_(options_from<ExperimentOptions>(options_)),
        communicator_(join_processes(options_)),
        leads_(communicator_->rank() == 0),
        device_(device_from(experiment_.device, communicator_->local_rank())),
        config_(resolved_experiment(options_, root)),
        run_(run) {}

  int run();

 private:
  // The checks, the run folder and its record (experiment.cpp).
  bool prepare();
  void claim_folder();
  void open_folder();
  void note_changes();
  void write_record();
  void conclude(const std::string& status);
  void try_to_conclude(const std::string& status);

  // The training (experiment_training.cpp).
  void resume(Trainer& trainer);
  void apply_threads();
  int train();
  void prepare_data();
  void build_trackers();
  bool rolls_out() const {
    return train_.rollout_num_episodes > 0 && experiment_.env.has_value() &&
           agent_->make_actor({}) != nullptr;
  }
  TrainingDataOptions data_options() const;
  Scalars validate(std::int64_t step);
  Scalars roll_out(std::int64_t step);

  Options options_;
  const ExperimentOptions experiment_;
  const TrainOptions& train_ = experiment_.train;
  std::shared_ptr<Communicator> communicator_;
  bool leads_;  // rank 0, the only one that writes to the run folder
  c10::Device device_;
  ConfigNode config_;  // resolved; reproduces the run without any other file
  const RunOptions& run_;
  StopRequest stop_;
  LogKeeper early_log_;  // log lines from before the folder exists
  std::filesystem::path folder_;
  std::optional<ProcessLock> lock_;  // of the folder
  RunRecord record_;
  std::optional<Checkpoint> resumed_;
  std::string changes_;  // of the configuration since the run was started, as text
  std::unique_ptr<CheckpointStore> checkpoints_;
  std::shared_ptr<Environment> environment_;
  std::shared_ptr<Agent> agent_;
  TrainingData data_;
  std::unique_ptr<Validation> validation_;
  std::optional<SwanlabProgram> swanlab_;
  TrackerFanOut trackers_;
};

}  // namespace roboimi
