// One run of an experiment file, from the data to the last checkpoint: what `roboimi run` does.
//
//   Registry::instance().load_search_path(plugin_search_path({}));
//   ComposedConfig config = compose_experiment("lewm_imf_attnres.yaml", {"train.max_steps=200"});
//   int status = run_experiment(config.root, {.choices = config.choices});
//
//   name: lewm_imf_attnres
//   seed: 0
//   device: auto
//   output_dir: runs
//   agent: {type: vla_agent, ...}
//   data: {type: hdf5_dataset, path: ..., camera_names: [r_vis, top, front]}
//   env: {type: mujoco_env}               # for rollouts; may be left out
//   communicator: {type: mpi_communicator}   # several processes, see below; may be left out
//   cache: {}
//   train: {max_steps: 50000}
//   track: {swanlab: off}
//
// With a communicator every process of the training calls run_experiment() with the same
// configuration. Rank 0 alone makes the run's folder and writes to it, prepares the data (the
// others then find it in the caches), validates and rolls out; the others log warnings alone.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/config/compose.h"
#include "roboimi/config/node.h"
#include "roboimi/config/schema.h"

namespace roboimi {

struct RunOptions {
  // The run to continue, bit for bit where the conditions are the same.
  std::optional<std::filesystem::path> resume = std::nullopt;
  bool dry_run = false;  // checks everything, prints what would be done and writes nothing
  std::vector<std::string> command = {};            // for run.json
  std::map<std::string, std::string> choices = {};  // of the composition, for run.json
};

// compose_config() for an experiment: an override may set every option of the experiment and of its
// components, also one that no file writes. The registry's plugins must be loaded.
ROBOIMI_EXPORT ComposedConfig
compose_experiment(const std::string& config, const std::vector<std::string>& overrides,
                   const std::vector<std::filesystem::path>& config_dirs = {});

// Keys at an experiment's root. Keys of other commands may stand beside them, see
// experiment_options().
ROBOIMI_EXPORT Schema experiment_schema();

// Reads the root strictly, but passes over the sections of other commands (`collect`, `suite`).
ROBOIMI_EXPORT Options experiment_options(const ConfigNode& root);

// Every option written out, every component as the registry understands it: saved, it alone gives
// the same run. The registry's plugins must be loaded.
ROBOIMI_EXPORT ConfigNode resolved_experiment(const Options& options, const ConfigNode& root);

// Trains, once all that can be known before has been checked (train/preflight.h): what fails there
// leaves no folder. Returns the exit status: 0, or 130 after Ctrl-C (SIGINT, SIGTERM), when the
// step was finished and a checkpoint written. The registry's plugins must be loaded. Prints the
// run's folder and its last results to the log. Later errors leave run.json saying so; the process
// that they end takes the others of its training with it.
ROBOIMI_EXPORT int run_experiment(const ConfigNode& root, const RunOptions& options);

}  // namespace roboimi
