// Limits on a policy's commands, taken from the actions of its training data: the range of each
// joint, and its largest change from one control step to the next.
//
//   ActionLimits limits({.step_factor = 2.0}, state.action_range, spec.action_dim, "runs/2026...");
//   LimitedAction limited = limits.apply(wanted, last);   // by_step == {3}: joint 3 was clamped
//
// A policy may command anything when it gets inputs unlike its training data. The range of the
// training actions is a bound that needs no model of the robot. It does not replace the robot's own
// limits.
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
  bool range = true;           // limit each joint to the range of its actions
  bool step = true;            // limit each joint's change from one control step to the next
  double range_margin = 0.05;  // added at both ends of the data's range, as a fraction of it
  double step_factor = 1.5;    // multiplies the data's largest step
  // Limits [A] that replace those of the data, in the data's units, without margin or factor.
  // Infinity leaves a joint unlimited. Empty: use the data's.
  std::vector<double> min = {}, max = {}, largest_step = {};
};

struct LimitedAction {
  at::Tensor action;                            // float [A]
  std::vector<std::int64_t> by_range, by_step;  // indices of the clamped joints, ascending
};

class ROBOIMI_EXPORT ActionLimits {
 public:
  // `data` provides the limits that `options` does not set. `where` names the checkpoint. Throws
  // Error if `data` is needed but missing, if a list does not have `action_dim` elements, if a
  // minimum is above its maximum, if a margin or factor is not finite, or if a margin, factor or
  // step is negative.
  ActionLimits(const LimitOptions& options, const std::optional<ActionRange>& data,
               std::int64_t action_dim, const std::string& where);

  // Limits the command `wanted`, float [A] on the CPU. `last` is the previous command; if it is
  // undefined, the step is not limited, because the robot's position in the space of actions is
  // unknown. If `last` is outside the range, the step limit takes precedence, so that the joint
  // returns to the range without a jump.
  LimitedAction apply(const at::Tensor& wanted, const at::Tensor& last) const;

 private:
  std::vector<float> min_, max_, step_;  // [A], infinite if there is no limit
};

}  // namespace roboimi
