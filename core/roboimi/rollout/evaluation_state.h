// The state in which an agent is evaluated: evaluation mode, no gradients, and one thread, so that
// sums have a fixed order. The end of the scope restores the previous state, after the agent's own
// threads have stopped. Internal to rollout.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <functional>

#include "roboimi/common/interrupted.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/mode_guard.h"

namespace roboimi {

class SingleThread {
 public:
  SingleThread() { at::set_num_threads(1); }
  ~SingleThread() { at::set_num_threads(former_); }
  SingleThread(const SingleThread&) = delete;
  SingleThread& operator=(const SingleThread&) = delete;

 private:
  int former_ = at::get_num_threads();
};

struct EvaluationState {
  explicit EvaluationState(Agent& agent) : mode(agent, /*training=*/false) {}
  EvaluationState(const EvaluationState&) = delete;
  EvaluationState& operator=(const EvaluationState&) = delete;

  ModeGuard mode;
  SingleThread single_thread;
  at::NoGradGuard no_grad;
};

// Ends an evaluation with Interrupted if `should_stop` is set and returns true.
inline void end_if_interrupted(const std::function<bool()>& should_stop) {
  if (should_stop && should_stop()) throw Interrupted("the evaluation was interrupted");
}

}  // namespace roboimi
