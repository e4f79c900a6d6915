// Holds a policy's commands to what the training data's actions did: each joint inside its range,
// and no further from one control step to the next than it went there.
//
//   ActionLimits limits({.step_factor = 2.0}, state.action_range, spec.action_dim, "runs/2026...");
//   LimitedAction limited = limits.apply(wanted, last);   // by_step == {3}: joint 3 was cut
//
// A policy that sees what it was not trained on may command anything; its actions' own range is the
// one bound that needs no model of the robot. It is no substitute for the robot's own limits.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/action_range.h"

namespace roboimi {

struct LimitOptions {
  bool range = true;           // hold each joint between its lowest and its highest action
  bool step = true;            // hold each joint's change from one control step to the next
  double range_margin = 0.05;  // added at either end of the data's range, as a fraction of it
  double step_factor = 1.5;    // times the data's largest step
  // [A], in the data's units, in place of what the data says, without margin or factor. An infinite
  // number leaves that joint free. Empty: from the data.
  std::vector<double> min = {}, max = {}, largest_step = {};
};

struct LimitedAction {
  at::Tensor action;                            // float [A]
  std::vector<std::int64_t> by_range, by_step;  // the joints that were cut, ascending
};

class ROBOIMI_EXPORT ActionLimits {
 public:
  // `data` is needed for what `options` does not give; Error where it is empty, saying what can be
  // done. Error: numbers that are not `action_dim` many, not in order, negative. `where` names the
  // checkpoint.
  ActionLimits(const LimitOptions& options, const std::optional<ActionRange>& data,
               std::int64_t action_dim, const std::string& where);

  // `wanted` float [A] on the CPU. `last` is the command before it, or undefined: then the step is
  // not limited, since nothing says where the robot is in the space of its actions. Where a `last`
  // lies outside the range, the step's limit wins: the way back is no jump.
  LimitedAction apply(const at::Tensor& wanted, const at::Tensor& last) const;

 private:
  std::vector<float> min_, max_, step_;  // [A], infinite where there is no limit
};

}  // namespace roboimi
