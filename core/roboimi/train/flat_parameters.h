// The trainable parameters of a module, laid out in one buffer per decay group, and their gradients
// in another of the same layout. Clipping, AdamW, EMA and an all-reduce are then one pass each.
//
//   agent.to(device);                                  // device and dtype must be final
//   FlatParameters flat(agent, [&](const std::string& name, const at::Tensor& parameter) {
//     return agent.decays(name, parameter);
//   });
//   flat.zero_gradients();
//   agent.loss(batch, generator).loss.backward();      // accumulates into the gradient buffers
//   at::Tensor norm = flat.clip_gradients(10.0);
//
// Every parameter and its .grad become views, 64-byte aligned, of the buffers; the gaps between
// them hold zeros and stay zero. Parameters with requires_grad == false are never included and stay
// where they are. Call zero_gradients() only: Module::zero_grad() would drop the preset gradients,
// which check_views() finds. Write to the buffers only after backward: autograd does not notice.
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

  // The part of a buffer of this group's layout that belongs to `view`, in the parameter's shape.
  ROBOIMI_EXPORT at::Tensor part_of(const at::Tensor& buffer, const FlatView& view) const;
};

class ROBOIMI_EXPORT FlatParameters {
 public:
  using Decays = std::function<bool(const std::string& name, const at::Tensor& parameter)>;

  // Error when nothing is trainable, or when trainable parameters differ in dtype or device.
  FlatParameters(torch::nn::Module& module, const Decays& decays);

  // At most two groups, the one with decay first; empty groups are left out.
  const std::vector<FlatGroup>& groups() const { return groups_; }
  std::int64_t num_parameters() const;  // without the gaps

  void zero_gradients();
  // Scales all gradients so that their joint 2-norm is at most `max_norm`
  // (torch.nn.utils.clip_grad_norm_); 0 never scales. Returns the norm before, 0-d, not read.
  at::Tensor clip_gradients(double max_norm);

  // Error naming a parameter that is, or whose gradient is, no longer the view it was made.
  void check_views() const;

 private:
  std::vector<FlatGroup> groups_;
};

}  // namespace roboimi
