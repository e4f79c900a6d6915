// The trainable parameters of a module, stored in one contiguous buffer per weight-decay group,
// with a second buffer of the same layout for their gradients. Clipping, AdamW, EMA and all-reduce
// each take a single pass.
//
//   agent.to(device);                                  // device and dtype must be final
//   FlatParameters flat(agent, [&](const std::string& name, const at::Tensor& parameter) {
//     return agent.decays(name, parameter);
//   });
//   flat.zero_gradients();
//   agent.loss(batch, generator).loss.backward();      // accumulates into the gradient buffers
//   at::Tensor norm = flat.clip_gradients(10.0);
//
// Every parameter and its .grad become 64-byte aligned views of the buffers; the gaps between them
// hold zeros and stay zero. Parameters with requires_grad == false are not included and stay where
// they are. Use zero_gradients(), never Module::zero_grad(), which would drop the preset gradients
// (check_views() detects this). Write to the buffers only after backward: autograd does not track
// such writes.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

// One parameter's place in its group's buffers.
struct FlatView {
  std::string name;      // as registered
  at::Tensor parameter;  // the module's own tensor, whose data is a view of the buffer
  std::int64_t offset;   // elements
};

struct FlatGroup {
  bool decays = false;
  at::Tensor parameters;  // [N], without requires_grad
  at::Tensor gradients;   // [N]
  std::vector<FlatView> views;

  // The part of `buffer` (in this group's layout) that belongs to `view`, in the parameter's shape.
  ROBOIMI_EXPORT at::Tensor part_of(const at::Tensor& buffer, const FlatView& view) const;
};

class ROBOIMI_EXPORT FlatParameters {
 public:
  using Decays = std::function<bool(const std::string& name, const at::Tensor& parameter)>;

  // Throws Error if nothing is trainable, or if trainable parameters differ in dtype or device.
  FlatParameters(torch::nn::Module& module, const Decays& decays);

  // At most two groups, the one with weight decay first; empty groups are omitted.
  const std::vector<FlatGroup>& groups() const { return groups_; }
  std::int64_t num_parameters() const;  // without the gaps

  void zero_gradients();
  // Scales all gradients so that their joint 2-norm is at most `max_norm`
  // (torch.nn.utils.clip_grad_norm_); 0 disables this. Returns the norm before scaling as a 0-d
  // tensor on the device, without synchronizing.
  at::Tensor clip_gradients(double max_norm);

  // Throws Error naming a parameter if it or its gradient is no longer a view of the buffers.
  void check_views() const;

 private:
  std::vector<FlatGroup> groups_;
};

}  // namespace roboimi
