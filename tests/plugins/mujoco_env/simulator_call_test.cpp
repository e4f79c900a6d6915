#include "plugins/mujoco_env/simulator_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mujoco/mujoco.h>

#include "tests/error_text.h"

namespace roboimi::mujoco_env {
namespace {

TEST(SimulatorCall, ConvertsAMujocoErrorAndContinues) {
  install_simulator_handlers();
  EXPECT_EQ(error_text([] { simulator_call([] { mju_error("the %s broke", "solver"); }); }),
            "mujoco_env: MuJoCo reported an error: found the solver broke");
  EXPECT_EQ(simulator_call([] { return 7; }), 7);
}

TEST(SimulatorCall, CanBeNested) {
  install_simulator_handlers();
  EXPECT_EQ(error_text([] {
              simulator_call([] {
                simulator_call([] { return 0; });
                mju_error("outside");
              });
            }),
            "mujoco_env: MuJoCo reported an error: found outside");
}

}  // namespace
}  // namespace roboimi::mujoco_env
