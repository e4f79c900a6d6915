// The checkpoints of a run: folders that are written atomically, ranked and pruned.
//
//   checkpoints/step_00050000/{model,ema,optimizer}.safetensors  state.json  config.yaml
//   checkpoints/latest -> step_00050000      checkpoints/best -> step_00040000
//
//   CheckpointStore store(run / kCheckpointsFolder, 3);
//   store.save(checkpoint);
//   store.record_rollouts(50000, {{"success_rate", 0.7}});   // ranks the checkpoints and prunes
//   Checkpoint back = read_checkpoint(*store.latest());
//
// model.safetensors holds every parameter and buffer of the agent, including frozen parts and the
// normalizer, so that a checkpoint needs no other weight file. ema.safetensors holds the averages
// of the trainable parameters. state.json holds the SHA-256 of each file and of itself, which are
// checked on reading. The ranking is computed from the folders themselves: there is no separate
// list that could disagree with them after a crash.
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

// Everything except its inputs that affects the exact result of a training step.
struct NumericConditions {
  std::int64_t threads = 0;
  std::string cpu_capability;   // "AVX512"
  std::string libtorch;         // "2.13.0"
  std::string precision;        // "float32"
  std::string device;           // "cpu", "cuda:0"
  std::int64_t processes = 1;   // number of training processes
  std::string matmul = "fp32";  // precision of float32 products on CUDA, "fp32" or "tf32"
  bool cuda_graph = false;      // whether steps were replayed from a CUDA graph

  ROBOIMI_EXPORT static NumericConditions current(const std::string& device);
  // "threads 2 vs. 4, ..."; empty if equal.
  ROBOIMI_EXPORT std::string difference(const NumericConditions& other) const;
};

// Sums of metrics since the last line of metrics.jsonl, so that a resumed run writes the same next
// line as a run that was never interrupted. Times are not included.
struct MetricsSums {
  std::int64_t steps = 0;
  std::vector<std::map<std::string, double>> processes = {};  // one per process; empty if no steps
};

// The contents of state.json.
struct CheckpointState {
  std::int64_t step = 0;                 // finished training steps
  std::optional<std::int64_t> ema_step;  // number of EMA updates; empty without EMA
  std::uint64_t seed = 0;                // every generator is a function of (seed, step)
  std::string config_sha256;             // of config.yaml
  NumericConditions conditions;
  ObservationSpec spec;                            // of the training data
  std::optional<ActionRange> action_range = {};    // of the training data; empty: not recorded
  std::optional<StateRange> state_range = {};      // likewise
  std::map<std::string, double> metrics;           // of the last logged step
  std::map<std::string, double> validation = {};   // of this step; empty if there was none
  std::map<std::string, double> rollouts;          // "success_rate", ...; empty before rollouts
  MetricsSums unlogged = {};                       // since the last logged step
  std::map<std::string, std::string> sha256 = {};  // of each file; empty in old checkpoints
};

struct Checkpoint {
  CheckpointState state;
  TensorMap model, ema, optimizer;
  std::map<std::string, std::string> model_metadata = {};  // Agent::metadata()
  std::string config_yaml;                                 // resolved
};

class ROBOIMI_EXPORT CheckpointStore {
 public:
  // Keeps the newest checkpoint and the `keep_top_k` best. Temporary files of killed processes are
  // removed before the first save.
  CheckpointStore(std::filesystem::path folder, std::int64_t keep_top_k);

  // Writes step_NNNNNNNN, points `latest` at it, prunes, and returns the folder. Atomically
  // replaces a checkpoint of the same step. Skips checkpoints whose state.json is damaged, with a
  // warning. Throws Error if the disk is full; nothing has changed then.
  std::filesystem::path save(const Checkpoint& checkpoint);
  // Adds rollout results to a saved checkpoint, points `best` at the best one and prunes.
  // Checkpoints are ranked by the "success_rate" of their rollouts; those without rollouts follow,
  // ranked by the "action_error" of their validation, the smallest first, and those without either
  // are last. Ties go to the later one.
  void record_rollouts(std::int64_t step, const std::map<std::string, double>& results);

  // Completes the work of a killed process: removes its temporary files, points the links at the
  // newest and the best checkpoint, and prunes.
  void recover();

  // The newest complete checkpoint, regardless of the links.
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
  mutable std::set<std::filesystem::path> skipped_ = {};  // damaged ones, already warned about
};

// Reads a checkpoint. Throws Error if a file is missing, damaged or not the one that was saved. The
// optimizer's tensors are only needed to resume training.
ROBOIMI_EXPORT Checkpoint read_checkpoint(const std::filesystem::path& folder,
                                          bool with_optimizer = true);
ROBOIMI_EXPORT CheckpointState read_checkpoint_state(const std::filesystem::path& folder);

// Reads the newest checkpoint in a folder of checkpoints; empty if there is none. If it is damaged,
// throws an Error that names the newest intact one.
ROBOIMI_EXPORT std::optional<Checkpoint> read_newest_checkpoint(
    const std::filesystem::path& folder);

// The problems of a checkpoint, one line per damaged file; empty if it is intact. For an old
// checkpoint without checksums, only checks that it can be read.
ROBOIMI_EXPORT std::vector<std::string> problems_of_checkpoint(const std::filesystem::path& folder);

// The checkpoint that a user's path refers to: a checkpoint's folder, one of the links, a
// `checkpoints` folder or a run's folder (the newest checkpoint in it). Throws Error if there is
// none.
ROBOIMI_EXPORT std::filesystem::path find_checkpoint(const std::filesystem::path& given);

}  // namespace roboimi
