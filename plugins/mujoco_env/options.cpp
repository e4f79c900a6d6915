// Config options of MujocoEnv.
#include "plugins/mujoco_env/mujoco_env.h"
#include "plugins/mujoco_env/task.h"
#include "roboimi/config/declare.h"

namespace roboimi::mujoco_env {

static void declare(OptionFields& fields, MujocoEnvOptions& o) {
  fields.text("task", o.task, "name of the task").one_of(task_names());
  fields.texts("camera_names", o.camera_names, "cameras in an observation");
  fields.texts("depth_camera_names", o.depth_camera_names,
               "cameras with an additional depth stream NAME_depth: float32, meters");
  fields.integer("image_height", o.image_height, "height of an image")
      .range(8, 4096)
      .with_unit("pixels");
  fields.integer("image_width", o.image_width, "width of an image")
      .range(8, 4096)
      .with_unit("pixels");
  fields.integer("max_steps", o.max_steps, "control steps per episode (20 Hz)").at_least(1);
  fields.optional_path("model_file", o.model_file,
                       "MJCF file with the names of assets/sim_transfer; default: the scene "
                       "embedded in the plugin");
  fields.boolean("render_shadows", o.render_shadows, "render shadows (slower)");
  fields.text("gl", o.gl, "OpenGL backend for off-screen rendering; auto uses MUJOCO_GL if set")
      .one_of({"auto", "egl", "osmesa"});
  fields
      .number("expert_path_noise", o.expert_path_noise,
              "standard deviation of an offset to the expert's waypoints in the air, so that a "
              "policy cannot infer the box's position from the arms")
      .at_least(0.0)
      .with_unit("m");
}

Schema schema() { return schema_of<MujocoEnvOptions>(); }

std::shared_ptr<Environment> create(const Options& options) {
  return std::make_shared<MujocoEnv>(options_from<MujocoEnvOptions>(options));
}

}  // namespace roboimi::mujoco_env
