// The scene of sim_transfer without an environment, for tests that place the box themselves.
#pragma once

#include "plugins/mujoco_env/task.h"
#include "plugins/mujoco_env/transfer_task.h"
#include "plugins/mujoco_env/world.h"

namespace roboimi::mujoco_env {

struct TransferScene {
  World world = load_world(find_task("sim_transfer").scene, "");
  TransferTask task{world};
  DataPointer data = world.make_data();

  // Sets the arms to their home pose and the box to `placement`.
  void start(const BoxPlacement& placement) {
    start_at_home(world, data.get());
    task.put_box(placement, data.get());
    mj_forward(world.model.get(), data.get());
  }
};

}  // namespace roboimi::mujoco_env
