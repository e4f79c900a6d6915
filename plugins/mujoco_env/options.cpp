// The options of MujocoEnv, as a config has them.
#include "plugins/mujoco_env/mujoco_env.h"
#include "plugins/mujoco_env/task.h"
#include "roboimi/config/declare.h"

namespace roboimi::mujoco_env {

static void declare(OptionFields& fields, MujocoEnvOptions& o) {
  fields.text("task", o.task, "what is to be done").one_of(task_names());
  fields.texts("camera_names", o.camera_names, "cameras of an observation");
  fields.texts("depth_camera_names", o.depth_camera_names,
               "cameras whose depth is observed too, as the stream NAME_depth: float32, meters");
  fields.integer("image_height", o.image_height, "height of an observed picture")
      .range(8, 4096)
      .with_unit("pixels");
  fields.integer("image_width", o.image_width, "width of an observed picture")
      .range(8, 4096)
      .with_unit("pixels");
  fields.integer("max_steps", o.max_steps, "control steps of an episode").at_least(1);
  fields.optional_path("model_file", o.model_file,
                       "MJCF with the names of assets/sim_transfer; absent: the scene inside the "
                       "plugin");
  fields.boolean("render_shadows", o.render_shadows, "draw shadows (slower)");
  fields.text("gl", o.gl, "OpenGL without a window; auto obeys MUJOCO_GL")
      .one_of({"auto", "egl", "osmesa"});
  fields
      .number("expert_path_noise", o.expert_path_noise,
              "standard deviation of the offsets of the expert's way-points in the air, so that a "
              "policy cannot tell from the arm alone where the box is")
      .at_least(0.0)
      .with_unit("m");
}

Schema schema() { return schema_of<MujocoEnvOptions>(); }

std::shared_ptr<Environment> create(const Options& options) {
  return std::make_shared<MujocoEnv>(options_from<MujocoEnvOptions>(options));
}

}  // namespace roboimi::mujoco_env
