// A run that was trained before, opened at one of its checkpoints: its configuration, its agent
// with the weights, and the way to its data and its environment.
//
//   const LoadedRun run = open_run("runs/2026...", {});
//   std::unique_ptr<Actor> actor = run.agent->make_actor({});
//   std::shared_ptr<const Dataset> demonstrations = run.open_data();
//   std::shared_ptr<Environment> environment = run.make_environment();
//
// The agent is constructed from the resolved configuration saved beside the weights, by the
// registry (whose plugins must be loaded already), and then gets every parameter and buffer from
// the checkpoint: names and shapes must agree exactly. While it is constructed,
// WeightsFollow::active() is true: a component that would read a file of weights may leave that
// out, since all of its weights come from the checkpoint.
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
  bool use_ema = true;  // the averaged weights, where the checkpoint has them
  // Changes to its configuration, as on the command line (config/compose.h): how it acts, not what
  // its weights are.
  std::vector<std::string> overrides = {};
  c10::Device device = c10::kCPU;
  // Opens whatever libraries its configuration names. Otherwise: those in a plugin folder, and
  // those whose SHA-256 the run recorded (recorded_plugins.h).
  bool trust_plugins = false;
};

struct LoadedRun {
  std::filesystem::path checkpoint;  // its folder
  std::shared_ptr<Agent> agent;      // in evaluation mode
  ConfigNode config;                 // resolved, with the overrides
  CheckpointState state;

  // The demonstrations; `other` is another path for them. Error: the run names no data, or they
  // have moved.
  ROBOIMI_EXPORT std::shared_ptr<const Dataset> open_data(
      const std::optional<std::filesystem::path>& other = {}) const;
  // Error where the run names no environment.
  ROBOIMI_EXPORT std::shared_ptr<Environment> make_environment() const;
};

// `given`: a run's folder, its folder of checkpoints or one of them; see find_checkpoint(). Error
// listing weights that are missing, unexpected or misshapen.
ROBOIMI_EXPORT LoadedRun open_run(const std::filesystem::path& given,
                                  const OpenRunOptions& options);

// The data of an experiment's configuration, trained or not; `other` is another path for them.
// Error where it has no section `data`.
ROBOIMI_EXPORT std::shared_ptr<const Dataset> open_data_of(
    const ConfigNode& config, const std::optional<std::filesystem::path>& other = {});
// `data` is that section of a run's configuration. Where its folder is gone, the Error says how to
// name another one.
ROBOIMI_EXPORT std::shared_ptr<const Dataset> open_recorded_data(const ConfigNode& data);

// "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1". Error when there is no such device.
ROBOIMI_EXPORT c10::Device device_from(const std::string& name);
// The same for one of several processes of a machine: where `name` leaves the number open, they
// take its GPUs in turn.
ROBOIMI_EXPORT c10::Device device_from(const std::string& name, std::int64_t local_rank);

}  // namespace roboimi
