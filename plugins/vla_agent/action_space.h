// The actions as the head sees them: normalized, and optionally relative to the robot's state.
//
// A relative action is the command minus the state of the chunk's last observation. It suits
// policies for robots whose working range changes from demonstration to demonstration.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "roboimi/contract/agent.h"
#include "roboimi/contract/normalizer.h"

namespace roboimi::vla_agent {

struct ActionOptions {
  bool are_relative = false;
  std::vector<std::int64_t> absolute_dims = {};  // of relative actions, such as grippers
  std::vector<Normalization> normalization;      // one for all dimensions, or one for each
};

// Error unless the options fit actions [A] and states [S].
void check_action_options(const ActionOptions& options, std::int64_t action_dim,
                          std::int64_t state_dim);

class ActionSpace {
 public:
  // Registers the normalizer as "action_normalizer" in `owner`, and, for relative actions, which
  // dimensions are relative.
  ActionSpace(const ActionOptions& options, std::int64_t action_dim, torch::nn::Module& owner);

  bool is_relative() const { return relative_.defined(); }
  Normalizer& normalizer() const { return *normalizer_; }
  // Error if relative actions have no statistics.
  void fit(const DatasetStatistics& statistics);

  // Commands [..., A] to the head's actions. `state` [..., A] is that of the last observation, raw;
  // ignored unless is_relative().
  at::Tensor normalize(const at::Tensor& commands, const at::Tensor& state) const;
  // The inverse.
  at::Tensor commands_of(const at::Tensor& actions, const at::Tensor& state) const;

 private:
  std::shared_ptr<Normalizer> normalizer_;
  at::Tensor relative_;  // float [A], 1: relative, 0: absolute; undefined: all are absolute
};

}  // namespace roboimi::vla_agent
