// Everything that can be known of a run before it writes anything: its names and folders, the data,
// the agent, the environment that it rolls out in, the video encoder and the disk. What the checks
// make, the run goes on with, so that nothing is done twice.
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
  std::optional<Checkpoint> resumed;         // the newest of the run to continue
  std::shared_ptr<Agent> agent;              // on the device
  TrainingData data;                         // its windows; see lay_out_training_data()
  std::shared_ptr<Environment> environment;  // in rank 0, where the run rolls out
  std::int64_t num_parameters = 0, num_trained = 0;
  std::uintmax_t cache_bytes = 0;       // still to be written, of derived data
  std::uintmax_t checkpoint_bytes = 0;  // of one checkpoint
};

// Error for the first thing that is wrong. Nothing is created. Collective: when one process finds a
// fault, all end with an Error.
ROBOIMI_EXPORT Preflight run_preflight(const PreflightOptions& options);

// The table that `roboimi run --dry-run` prints.
ROBOIMI_EXPORT std::string describe_plan(const Preflight& preflight,
                                         const PreflightOptions& options);

// Error unless `run` is the folder of a run that has a checkpoint.
ROBOIMI_EXPORT void require_run_to_resume(const std::filesystem::path& run);

// Error unless the disk of `folder`, which may not exist yet, has room for `bytes` of `what`.
ROBOIMI_EXPORT void require_space(const std::filesystem::path& folder, std::uintmax_t bytes,
                                  const std::string& what, const std::string& next);

}  // namespace roboimi
