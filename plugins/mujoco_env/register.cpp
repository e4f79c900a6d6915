#include "plugins/mujoco_env/mujoco_env.h"
#include "roboimi/plugin/plugin.h"

ROBOIMI_PLUGIN("mujoco_env", "1.0.0", "Two arms hand over a box, simulated by MuJoCo") {
  registrar.add<roboimi::Environment>(
      {.name = "mujoco_env",
       .description = "bimanual tasks in MuJoCo: sim_transfer",
       .schema = roboimi::mujoco_env::schema(),
       .create = roboimi::mujoco_env::create,
       .check = {.options = "{image_height: 48, image_width: 64, max_steps: 20}"}});
}
