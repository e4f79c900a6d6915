#include <fmt/format.h>
#include <fmt/ranges.h>

#include "plugins/mujoco_env/mujoco_env.h"
#include "plugins/mujoco_env/task.h"
#include "roboimi/plugin/plugin.h"

ROBOIMI_PLUGIN("mujoco_env", "1.0.0", "Bimanual tasks simulated with MuJoCo") {
  registrar.add<roboimi::Environment>(
      {.name = "mujoco_env",
       .description = fmt::format("bimanual tasks in MuJoCo: {}",
                                  fmt::join(roboimi::mujoco_env::task_names(), ", ")),
       .schema = roboimi::mujoco_env::schema(),
       .create = roboimi::mujoco_env::create,
       .check = {.options = "{image_height: 48, image_width: 64, max_steps: 20}"}});
}
