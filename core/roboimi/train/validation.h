// Measures an agent on episodes that it is not trained on.
//
//   Validation validation(agent, data, {.batch_size = 64, .device = device});
//   std::map<std::string, double> figures = validation.measure(folder / "validation");
//   figures["loss"]                     // the agent's own, with all of its metrics
//   figures["probe/box_position_r2"]    // of an agent that learns a representation
//
// Windows and draws are the same at every call, so that two steps' figures differ by the weights
// alone. The representation's figures and pictures are made for agents that do not act: those of a
// policy's frozen backbone never change; see `roboimi eval --probe`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "roboimi/common/export.h"
#include "roboimi/train/training_data.h"

namespace roboimi {

struct ValidationOptions {
  std::int64_t batch_size = 64;
  std::int64_t max_windows = 1024;  // spread evenly over the held-out ones
  std::uint64_t seed = 0;
  c10::Device device = c10::kCPU;
};

class ROBOIMI_EXPORT Validation {
 public:
  // `data` must have held-out episodes.
  Validation(Agent& agent, const TrainingData& data, const ValidationOptions& options);

  // Pictures go to `folder`; it is made where there are any. Training mode is restored.
  std::map<std::string, double> measure(const std::filesystem::path& folder);

 private:
  std::map<std::string, double> loss() const;
  std::map<std::string, double> representation(const std::filesystem::path& folder) const;

  Agent& agent_;
  const TrainingData& data_;
  ValidationOptions options_;
};

}  // namespace roboimi
