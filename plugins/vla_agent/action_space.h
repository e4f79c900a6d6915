// The actions as the head sees them: normalized, with rotations as the 6d representation
// (rotation.h), and optionally relative to the robot's state.
//
// A relative action is the command minus the state of the chunk's last observation; a relative
// rotation is R_state^T R_command. It suits policies for robots whose working range changes from
// demonstration to demonstration.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "plugins/vla_agent/rotation_layout.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/normalizer.h"

namespace roboimi::vla_agent {

struct ActionOptions {
  bool are_relative = false;
  std::vector<std::int64_t> absolute_dims = {};  // of relative actions, such as grippers
  std::vector<Normalization> normalization;      // one for all dimensions, or one for each
  std::vector<Rotation> rotations = {};
};

// Error unless the options fit actions [A] and states with this layout. A relative rotation needs a
// rotation of the state that starts at the same dimension; the two may be of different kinds.
void check_action_options(const ActionOptions& options, std::int64_t action_dim,
                          const RotationLayout& state);

class ActionSpace {
 public:
  // Registers in `owner` the normalizer as "action_normalizer", for relative actions which
  // dimensions are relative, and for rotations the `near` of RotationLayout::from_6d().
  ActionSpace(const ActionOptions& options, std::int64_t action_dim, const RotationLayout& state,
              torch::nn::Module& owner);

  bool is_relative() const { return relative_.defined(); }
  // A of the head: 6 for a rotation, otherwise as in the data.
  std::int64_t head_dim() const { return layout_.dim_6d(); }
  const RotationLayout& layout() const { return layout_; }
  Normalizer& normalizer() const { return *normalizer_; }
  // Error if the weights were trained with rotations of other kinds: those of equal size fit them.
  void check_rotation_kinds() const;
  // Error if relative actions have no statistics.
  void fit(const DatasetStatistics& statistics);

  // Commands [..., A] to the head's actions [..., head_dim()]. `state` [..., A] is that of the last
  // observation, raw; ignored unless is_relative().
  at::Tensor normalize(const at::Tensor& commands, const at::Tensor& state) const;
  // The head's actions as absolute actions in the data's units, [..., head_dim()]. Rotations are
  // still 6d, so that the actions of several chunks can be averaged.
  at::Tensor unnormalize(const at::Tensor& actions, const at::Tensor& state) const;
  // The rest of the way to commands: [..., head_dim()] to [..., A], on the CPU.
  at::Tensor commands_of(const at::Tensor& absolute, const at::Tensor& near) const;
  // The `near` of the training data, float [A] on the CPU; undefined without rotations. A caller
  // keeps it for an episode, because reading it waits for the device.
  at::Tensor near_data() const { return near_.defined() ? near_.to(at::kCPU) : at::Tensor(); }

 private:
  RotationLayout layout_;
  std::shared_ptr<Normalizer> normalizer_;
  // Float [A], 1: relative, 0: absolute, or a rotation; undefined: all are absolute.
  at::Tensor relative_;
  at::Tensor near_;  // float [A]; undefined without rotations
  // Int64 [A + S], the kind of each dimension of action and state plus 1, 0: no rotation; undefined
  // without rotations. The buffer holds those of the weights, the other those of the options.
  at::Tensor trained_kinds_, kinds_;
  // For each part of layout_, the kind of the state's rotation of which it is relative; nullopt for
  // an absolute rotation and for parts without one.
  std::vector<std::optional<RotationKind>> reference_kinds_;
};

}  // namespace roboimi::vla_agent
