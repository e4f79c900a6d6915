// The checkpoints of a run: folders that exist whole or not at all.
//
//   checkpoints/step_00050000/{model,ema,optimizer}.safetensors  state.json  config.yaml
//   checkpoints/latest -> step_00050000      checkpoints/best -> step_00040000
//
//   CheckpointStore store(run / kCheckpointsFolder, 3);
//   store.save(checkpoint);
//   store.record_rollouts(50000, {{"success_rate", 0.7}});   // ranks it and prunes the others
//   Checkpoint back = read_checkpoint(*store.latest());
//
// model.safetensors holds every parameter and buffer of the agent, those of frozen parts and the
// normaliser included, so that a checkpoint needs no other file of weights. ema.safetensors holds
// the averages of the trainable parameters. state.json holds the SHA-256 of each file and of
// itself, which reading checks. What is best is read from the folders themselves: no list is kept
// elsewhere that could disagree after a crash.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/action_range.h"
#include "roboimi/contract/observation.h"
#include "roboimi/io/tensor_map.h"

namespace roboimi {

inline constexpr const char* kCheckpointsFolder = "checkpoints";  // in a run's folder

// What the bits of a training step depend on beside its inputs.
struct NumericConditions {
  std::int64_t threads = 0;
  std::string cpu_capability;   // "AVX512"
  std::string libtorch;         // "2.13.0"
  std::string precision;        // "float32"
  std::string device;           // "cpu", "cuda:0"
  std::int64_t processes = 1;   // that trained together
  std::string matmul = "fp32";  // of float32 products on CUDA, or "tf32"
  bool cuda_graph = false;      // a step was recorded and replayed

  ROBOIMI_EXPORT static NumericConditions current(const std::string& device);
  // "threads 2 against 4, ..."; empty when equal.
  ROBOIMI_EXPORT std::string difference(const NumericConditions& other) const;
};

// Sums of metrics since the last line of metrics.jsonl, so that the next line of a run that goes on
// is the one of a run that was never stopped. Time is not in them.
struct MetricsSums {
  std::int64_t steps = 0;
  std::vector<std::map<std::string, double>> processes = {};  // one of each; empty without steps
};

// state.json.
struct CheckpointState {
  std::int64_t step = 0;                 // finished training steps
  std::optional<std::int64_t> ema_step;  // updates of the average; empty when there is none
  std::uint64_t seed = 0;                // of every generator: each is a function of (seed, step)
  std::string config_sha256;             // of config.yaml
  NumericConditions conditions;
  ObservationSpec spec;                            // of the training data
  std::optional<ActionRange> action_range = {};    // of the training data; empty: none was recorded
  std::optional<StateRange> state_range = {};      // likewise
  std::map<std::string, double> metrics;           // of the last logged step
  std::map<std::string, double> rollouts;          // "success_rate", ...; empty until rolled out
  MetricsSums unlogged = {};                       // since that line
  std::map<std::string, std::string> sha256 = {};  // of each file; empty in older checkpoints
};

struct Checkpoint {
  CheckpointState state;
  TensorMap model, ema, optimizer;
  std::map<std::string, std::string> model_metadata = {};  // Agent::metadata()
  std::string config_yaml;                                 // resolved
};

class ROBOIMI_EXPORT CheckpointStore {
 public:
  // Keeps the newest checkpoint and the `keep_top_k` best. What a process that was killed left is
  // cleared away before the first save.
  CheckpointStore(std::filesystem::path folder, std::int64_t keep_top_k);

  // Writes step_NNNNNNNN, points `latest` at it and prunes. One of the same step is replaced at one
  // instant, and one whose state.json is damaged is passed over with a warning.
  // Error when the disk is full: nothing has changed then. Returns the folder.
  std::filesystem::path save(const Checkpoint& checkpoint);
  // Adds results to a checkpoint that was saved, points `best` at the best and prunes. Ranked by
  // "success_rate"; of equals the later is better, and one without results is behind all others.
  void record_rollouts(std::int64_t step, const std::map<std::string, double>& results);

  // Completes what a killed process left undone: removes its temporary files, points the links at
  // the newest and the best checkpoint, and removes those that are not kept.
  void recover();

  // The newest complete checkpoint, whatever the links say.
  std::optional<std::filesystem::path> latest() const;
  // See read_newest_checkpoint().
  std::optional<Checkpoint> read_latest() const;

 private:
  struct Entry;
  std::vector<Entry> entries() const;  // oldest first
  void clear_once();
  void update_links_and_prune();
  void remove(const std::filesystem::path& folder) const;

  std::filesystem::path folder_;
  std::int64_t keep_top_k_;
  bool is_cleared_ = false;
  mutable std::set<std::filesystem::path> passed_over_ = {};  // with a warning
};

// Error when a file is missing, damaged or not the one that was saved. The optimiser's tensors are
// only needed to go on training.
ROBOIMI_EXPORT Checkpoint read_checkpoint(const std::filesystem::path& folder,
                                          bool with_optimizer = true);
ROBOIMI_EXPORT CheckpointState read_checkpoint_state(const std::filesystem::path& folder);

// The newest in a folder of checkpoints, read whole; nothing where there is none. When it is
// damaged, an Error names the newest one that is not.
ROBOIMI_EXPORT std::optional<Checkpoint> read_newest_checkpoint(
    const std::filesystem::path& folder);

// What is wrong with each file of a checkpoint, one line each; empty when it is as it was saved. Of
// an older one without sums: whether it can be read.
ROBOIMI_EXPORT std::vector<std::string> problems_of_checkpoint(const std::filesystem::path& folder);

// The checkpoint that a user means: a checkpoint's folder, one of the links, a `checkpoints` folder
// or a run's folder (its newest). Error saying what was looked for.
ROBOIMI_EXPORT std::filesystem::path find_checkpoint(const std::filesystem::path& given);

}  // namespace roboimi
