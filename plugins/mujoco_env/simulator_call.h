// Calls into MuJoCo whose errors become roboimi::Error.
//
//   simulator_call([&] { mj_step(model, data); });
//
// MuJoCo reports an error by a callback that must not return, and an exception must not leave
// through its C frames. So the callback jumps back here, which throws. What `call` does must need
// no destructor: frames between are left without them.
#pragma once

#include <csetjmp>
#include <utility>

namespace roboimi::mujoco_env {

struct SimulatorJump {
  SimulatorJump();
  ~SimulatorJump();
  SimulatorJump(const SimulatorJump&) = delete;
  SimulatorJump& operator=(const SimulatorJump&) = delete;

  // An Error with MuJoCo's message.
  [[noreturn]] void fail() const;

  std::jmp_buf buffer;
  char message[1000] = "";
  SimulatorJump* const outer;  // of this thread
};

template <typename Call>
auto simulator_call(Call&& call) {
  SimulatorJump jump;
  if (setjmp(jump.buffer) != 0) jump.fail();
  return std::forward<Call>(call)();
}

// Makes MuJoCo report errors to simulator_call() and warnings to the log, unless the program has
// handlers of its own.
void install_simulator_handlers();

}  // namespace roboimi::mujoco_env
