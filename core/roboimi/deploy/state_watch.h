// Notices states that lie far outside what the policy was trained on: degrees for radians, another
// order of joints, millimeters for meters.
//
//   StateWatch watch(state.state_range, "runs/2026...");
//   std::vector<std::int64_t> elements = watch.outside(observation.state());   // {3}: state[3] is
//
// An element is outside when it lies further beyond the training data's range than that range is
// wide. The first time that it does, the log says so. A checkpoint without the range of its states
// is not watched.
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
  // Error: the range is not that of `state_dim` numbers. `where` names the checkpoint.
  StateWatch(const std::optional<StateRange>& range, std::int64_t state_dim,
             const std::string& where);

  // `state` float [S] on any device. The elements that are outside, ascending.
  std::vector<std::int64_t> outside(const at::Tensor& state);

 private:
  void warn(const std::vector<std::int64_t>& elements, const at::Tensor& state);

  std::vector<double> min_, max_, width_;  // [S], or empty: nothing is watched
  std::vector<bool> told_;                 // by the log
};

}  // namespace roboimi
