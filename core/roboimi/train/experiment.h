// Runs an experiment file, from data preparation to the last checkpoint: the implementation of
// `roboimi run`.
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
//   env: {type: mujoco_env}               # for rollouts; optional
//   communicator: {type: mpi_communicator}   # for several processes, see below; optional
//   cache: {}
//   train: {max_steps: 50000}
//   track: {swanlab: off}
//
// With a communicator, every process of the training calls run_experiment() with the same
// configuration. Only rank 0 creates and writes the run folder, prepares the data (the others then
// find it in the caches), validates and runs rollouts. The others log only warnings and errors.
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
  // The run to resume; bit-exact if the conditions are the same (NumericConditions).
  std::optional<std::filesystem::path> resume = std::nullopt;
  bool dry_run = false;                   // checks everything, prints the plan and writes nothing
  std::vector<std::string> command = {};  // command line, recorded in run.json
  std::map<std::string, std::string> choices = {};  // chosen config groups, recorded in run.json
};

// compose_config() for an experiment. Overrides may set any option of the experiment and of its
// components, even one that appears in no file. The registry's plugins must be loaded.
ROBOIMI_EXPORT ComposedConfig
compose_experiment(const std::string& config, const std::vector<std::string>& overrides,
                   const std::vector<std::filesystem::path>& config_dirs = {});

// Keys at an experiment's root. A file may also hold sections of other commands; see
// experiment_options().
ROBOIMI_EXPORT Schema experiment_schema();

// Reads the root strictly, but ignores the sections of other commands (`collect`, `suite`,
// `bench`).
ROBOIMI_EXPORT Options experiment_options(const ConfigNode& root);

// The complete configuration: every option with its value, every component as resolved by the
// registry. When saved, it reproduces the run without any other file. The registry's plugins must
// be loaded.
ROBOIMI_EXPORT ConfigNode resolved_experiment(const Options& options, const ConfigNode& root);

// Runs all checks of train/preflight.h, then trains. If a check fails, no folder is created.
// Returns the exit status: 0, or 130 after Ctrl-C (SIGINT, SIGTERM); in that case the current step
// was finished and a checkpoint written. Logs the run folder and the last results. Errors after the
// checks are recorded in run.json; a process that ends with one ends the other processes of its
// training, too. The registry's plugins must be loaded.
ROBOIMI_EXPORT int run_experiment(const ConfigNode& root, const RunOptions& options);

}  // namespace roboimi
