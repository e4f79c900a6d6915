// A watch for robot states far outside the training data, which suggest degrees instead of radians,
// millimeters instead of meters or another order of joints.
//
//   StateWatch watch(state.state_range, spec.state_dim(), "runs/2026...");
//   std::vector<std::int64_t> elements = watch.outside(observation.state());   // {3}: state[3]
//
// An element counts as outside if its distance from the training data's range is larger than the
// width of that range. The first time this happens for an element, a warning is logged. If the
// checkpoint does not record the range of its states, nothing is checked.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/action_range.h"

namespace roboimi {

class ROBOIMI_EXPORT StateWatch {
 public:
  // Throws Error if the range does not have `state_dim` elements. `where` names the checkpoint.
  StateWatch(const std::optional<StateRange>& range, std::int64_t state_dim,
             const std::string& where);

  // The indices of the elements of `state` that are outside, ascending. `state` is float [S] on any
  // device.
  std::vector<std::int64_t> outside(const at::Tensor& state);

 private:
  void warn(const std::vector<std::int64_t>& elements, const at::Tensor& state);

  std::vector<double> min_, max_, width_;  // [S], or empty: nothing is checked
  std::vector<bool> told_;                 // [S], whether the element was logged
};

}  // namespace roboimi
