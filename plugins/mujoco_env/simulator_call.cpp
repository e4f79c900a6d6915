#include "plugins/mujoco_env/simulator_call.h"

#include <mujoco/mujoco.h>

#include <cstdlib>
#include <cstring>
#include <mutex>

#include "roboimi/common/error.h"
#include "roboimi/common/log.h"

namespace roboimi::mujoco_env {
namespace {

thread_local SimulatorJump* innermost = nullptr;

// Replaces MuJoCo's default handlers, which end the process and write MUJOCO_LOG.TXT into the
// working folder.
void jump_back(const char* message) {
  SimulatorJump* const jump = innermost;
  if (jump == nullptr) {
    // A call from other code in this program that uses MuJoCo and expects the process to end.
    logger().error("mujoco_env: MuJoCo reported an error: {}", message);
    std::exit(EXIT_FAILURE);
  }
  std::strncpy(jump->message, message, sizeof(jump->message) - 1);
  std::longjmp(jump->buffer, 1);
}

void log_warning(const char* message) { logger().warn("mujoco_env: {}", message); }

}  // namespace

SimulatorJump::SimulatorJump() : outer(innermost) { innermost = this; }

SimulatorJump::~SimulatorJump() { innermost = outer; }

void SimulatorJump::fail() const {
  throw Error({.what = "MuJoCo reported an error", .where = "mujoco_env", .found = message});
}

void install_simulator_handlers() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (mju_user_error == nullptr) mju_user_error = jump_back;
    if (mju_user_warning == nullptr) mju_user_warning = log_warning;
  });
}

}  // namespace roboimi::mujoco_env
