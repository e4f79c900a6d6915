// Everything an agent must be in to be measured: evaluation mode, no gradients, and one thread, so
// that sums have one order. What was before returns with the end of the scope, once the agent's own
// threads are at rest.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

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
  explicit EvaluationState(Agent& measured) : mode(measured, /*training=*/false) {}
  EvaluationState(const EvaluationState&) = delete;
  EvaluationState& operator=(const EvaluationState&) = delete;

  ModeGuard mode;
  SingleThread single_thread;
  at::NoGradGuard no_grad;
};

}  // namespace roboimi
