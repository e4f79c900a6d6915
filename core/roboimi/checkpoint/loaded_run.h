// An earlier training run, opened at one of its checkpoints: the agent with its weights, the
// configuration, and functions that open the run's data and environment.
//
//   const LoadedRun run = open_run("runs/2026...", {});
//   std::unique_ptr<Actor> actor = run.agent->make_actor({});
//   std::shared_ptr<const Dataset> demonstrations = run.open_data();
//   std::shared_ptr<Environment> environment = run.make_environment();
//
// The registry, whose plugins must already be loaded, constructs the agent from the resolved
// configuration that was saved with the weights. Then every parameter and buffer is read from the
// checkpoint; names and shapes must match exactly. During construction WeightsFollow::active() is
// true, so that a component can skip reading its own weight file.
#pragma once

#include <c10/core/Device.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/checkpoint/checkpoint.h"
#include "roboimi/common/export.h"
#include "roboimi/config/node.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/dataset.h"
#include "roboimi/contract/environment.h"

namespace roboimi {

struct OpenRunOptions {
  bool use_ema = true;  // use the averaged (EMA) weights, if the checkpoint has them
  // Overrides of the configuration, as on the command line (config/compose.h). They may change how
  // the agent acts, but not the sizes of its weights.
  std::vector<std::string> overrides = {};
  c10::Device device = c10::kCPU;
  // Loads any plugin library that the configuration names. By default only libraries in a plugin
  // folder and those whose SHA-256 the run recorded are loaded (recorded_plugins.h).
  bool trust_plugins = false;
};

struct LoadedRun {
  std::filesystem::path checkpoint;  // the checkpoint's folder
  std::shared_ptr<Agent> agent;      // in evaluation mode
  ConfigNode config;                 // resolved, with the overrides
  CheckpointState state;

  // The demonstrations, from the path in the configuration or from `other`. Throws Error if the
  // configuration has no data or the data is not there.
  ROBOIMI_EXPORT std::shared_ptr<const Dataset> open_data(
      const std::optional<std::filesystem::path>& other = {}) const;
  // Throws Error if the run has no environment.
  ROBOIMI_EXPORT std::shared_ptr<Environment> make_environment() const;
};

// Opens a run. `given` is a run's folder, its folder of checkpoints or one of them; see
// find_checkpoint(). Throws Error, listing the tensors, if tensors are missing or unexpected, or
// have the wrong shape.
ROBOIMI_EXPORT LoadedRun open_run(const std::filesystem::path& given,
                                  const OpenRunOptions& options);

// The dataset of an experiment's configuration, from the path in it or from `other`. Throws Error
// if the configuration has no section `data`.
ROBOIMI_EXPORT std::shared_ptr<const Dataset> open_data_of(
    const ConfigNode& config, const std::optional<std::filesystem::path>& other = {});
// The same for the section `data` of a run's configuration. If the folder is gone, the Error
// explains how to set another path.
ROBOIMI_EXPORT std::shared_ptr<const Dataset> open_recorded_data(const ConfigNode& data);

// "auto" (CUDA if available), "cpu", "cuda" or "cuda:1". Throws Error if there is no such device.
ROBOIMI_EXPORT c10::Device device_from(const std::string& name);
// The same for one of several processes on a machine: if `name` does not select a GPU, the GPUs are
// assigned round-robin by `local_rank`.
ROBOIMI_EXPORT c10::Device device_from(const std::string& name, std::int64_t local_rank);

}  // namespace roboimi
