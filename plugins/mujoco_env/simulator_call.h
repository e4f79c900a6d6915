// A wrapper for calls into MuJoCo that turns MuJoCo's errors into roboimi::Error.
//
//   simulator_call([&] { mj_step(model, data); });
//
// MuJoCo reports an error through a callback that must not return, and an exception must not
// propagate through its C frames. The callback therefore uses longjmp to return here, where the
// Error is thrown. No destructors run on the way, so `call` must not create objects that need one.
#pragma once

#include <csetjmp>
#include <utility>

namespace roboimi::mujoco_env {

struct SimulatorJump {
  SimulatorJump();
  ~SimulatorJump();
  SimulatorJump(const SimulatorJump&) = delete;
  SimulatorJump& operator=(const SimulatorJump&) = delete;

  // Throws an Error with MuJoCo's message.
  [[noreturn]] void fail() const;

  std::jmp_buf buffer;
  char message[1000] = "";
  SimulatorJump* const outer;  // enclosing call on this thread
};

template <typename Call>
auto simulator_call(Call&& call) {
  SimulatorJump jump;
  if (setjmp(jump.buffer) != 0) jump.fail();
  return std::forward<Call>(call)();
}

// Installs handlers that pass errors to simulator_call() and warnings to the log, unless the
// program has set its own.
void install_simulator_handlers();

}  // namespace roboimi::mujoco_env
