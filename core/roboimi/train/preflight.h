// Checks a run before it writes anything: names and folders, data, agent, rollout environment,
// video encoder and disk space. The run then uses the objects that the checks created, so that no
// work is done twice.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "roboimi/checkpoint/checkpoint.h"
#include "roboimi/common/export.h"
#include "roboimi/config/schema.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/communicator.h"
#include "roboimi/contract/environment.h"
#include "roboimi/train/train_options.h"
#include "roboimi/train/training_data.h"

namespace roboimi {

struct PreflightOptions {
  const Options& experiment;
  const CacheOptions& cache;
  const TrainOptions& train;
  const TrainingDataOptions& data;
  std::optional<std::filesystem::path> resume;  // the run to continue
  Communicator& communicator;
};

struct Preflight {
  std::optional<Checkpoint> resumed;         // newest checkpoint of the resumed run
  std::shared_ptr<Agent> agent;              // on the device
  TrainingData data;                         // episodes and windows; see lay_out_training_data()
  std::shared_ptr<Environment> environment;  // in rank 0, if the run has rollouts
  std::int64_t num_parameters = 0, num_trained = 0;
  std::uintmax_t cache_bytes = 0;       // size of the cache files that are still to be written
  std::uintmax_t checkpoint_bytes = 0;  // size of one checkpoint
};

// Runs the checks and throws Error for the first problem. Writes nothing to disk. Collective: if
// one process finds a problem, all processes throw.
ROBOIMI_EXPORT Preflight run_preflight(const PreflightOptions& options);

// The table that `roboimi run --dry-run` prints.
ROBOIMI_EXPORT std::string describe_plan(const Preflight& preflight,
                                         const PreflightOptions& options);

// Throws Error unless `run` is a run folder with a checkpoint.
ROBOIMI_EXPORT void require_run_to_resume(const std::filesystem::path& run);

// Throws Error unless the disk of `folder` has `bytes` free. `folder` need not exist yet; `what`
// names the data in the message, and `next` is its suggestion.
ROBOIMI_EXPORT void require_space(const std::filesystem::path& folder, std::uintmax_t bytes,
                                  const std::string& what, const std::string& next);

}  // namespace roboimi
