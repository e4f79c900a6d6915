// A trained agent from one of its checkpoints, for evaluation, deployment or a robot's control
// loop.
//
//   LoadedAgent loaded = load_agent_from_checkpoint(find_checkpoint("runs/2026.../"), {});
//   std::unique_ptr<Actor> actor = loaded.agent->make_actor({});
//   actor->reset(seed);
//   at::Tensor command = actor->act(observation);
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
#include <string>
#include <vector>

#include "roboimi/checkpoint/checkpoint.h"
#include "roboimi/common/export.h"
#include "roboimi/config/node.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/dataset.h"

namespace roboimi {

struct LoadAgentOptions {
  bool use_ema = true;  // the averaged weights, where the checkpoint has them
  // Changes to its configuration, as on the command line (config/compose.h): how it acts, not what
  // its weights are.
  std::vector<std::string> overrides = {};
  c10::Device device = c10::kCPU;
  // Opens whatever libraries its configuration names. Otherwise: those in a plugin folder, and
  // those whose SHA-256 the run recorded (recorded_plugins.h).
  bool trust_plugins = false;
};

struct LoadedAgent {
  std::shared_ptr<Agent> agent;  // in evaluation mode
  ConfigNode config;             // of the run, resolved
  CheckpointState state;
};

// `folder` is one checkpoint; see find_checkpoint(). Error listing weights that are missing,
// unexpected or misshapen.
ROBOIMI_EXPORT LoadedAgent load_agent_from_checkpoint(const std::filesystem::path& folder,
                                                      const LoadAgentOptions& options);

// The demonstrations of a run that was trained before; `data` is that section of its configuration.
// Where their folder is gone, the Error says how to name another one.
ROBOIMI_EXPORT std::shared_ptr<const Dataset> open_recorded_data(const ConfigNode& data);

// "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1". Error when there is no such device.
ROBOIMI_EXPORT c10::Device device_from(const std::string& name);
// The same for one of several processes of a machine: where `name` leaves the number open, they
// take its GPUs in turn.
ROBOIMI_EXPORT c10::Device device_from(const std::string& name, std::int64_t local_rank);

}  // namespace roboimi
