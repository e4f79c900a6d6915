// Evaluates an agent's loss and representation on held-out episodes.
//
//   Validation validation(agent, data, {.batch_size = 64, .device = device});
//   std::map<std::string, double> metrics = validation.measure(folder / "validation");
//   metrics["loss"]                   // the agent's; its other metrics have their own keys
//   metrics["action_error"]           // open_loop_episodes: RMS as a share of half of each range
//   metrics["probe/box_position_r2"]  // for agents that learn a representation
//
// Windows and random numbers are the same at every call, so that results of different steps differ
// only by the weights. Representation metrics and images are made only for agents that do not act
// (world models); those of a policy's frozen backbone never change, see `roboimi eval --probe`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "roboimi/common/export.h"
#include "roboimi/train/training_data.h"

namespace roboimi {

struct ValidationOptions {
  std::int64_t batch_size = 64;
  std::int64_t max_windows = 1024;  // spread evenly over the held-out windows
  std::uint64_t seed = 0;
  c10::Device device = c10::kCPU;
  std::int64_t open_loop_episodes = 0;  // whose recorded actions are compared with the commands
  std::function<bool()> should_stop = {};
};

class ROBOIMI_EXPORT Validation {
 public:
  // `data` must have held-out episodes.
  Validation(Agent& agent, const TrainingData& data, const ValidationOptions& options);

  // Writes images to `folder`, which is created if there are any. Restores the training mode.
  std::map<std::string, double> measure(const std::filesystem::path& folder);

 private:
  std::map<std::string, double> loss() const;
  double action_error(const std::filesystem::path& folder) const;
  std::map<std::string, double> representation(const std::filesystem::path& folder) const;

  Agent& agent_;
  const TrainingData& data_;
  ValidationOptions options_;
};

}  // namespace roboimi
