// The table of options: parses the YAML, prints `plugins inspect`, and makes the reference.
#include "plugins/mujoco_env/mujoco_env.h"
#include "plugins/mujoco_env/task.h"

namespace roboimi::mujoco_env {

Schema schema() {
  const MujocoEnvOptions defaults;
  Schema table;
  table.text("task", defaults.task, "what is to be done").one_of(task_names());
  table.texts("camera_names", defaults.camera_names, "cameras of an observation");
  table.texts("depth_camera_names", defaults.depth_camera_names,
              "cameras whose depth is observed too, as the stream NAME_depth: float32, meters");
  table.integer("image_height", defaults.image_height, "height of an observed picture")
      .range(8, 4096)
      .with_unit("pixels");
  table.integer("image_width", defaults.image_width, "width of an observed picture")
      .range(8, 4096)
      .with_unit("pixels");
  table.integer("max_steps", defaults.max_steps, "control steps of an episode").at_least(1);
  table.optional_path("model_file",
                      "MJCF with the names of assets/sim_transfer; absent: the scene inside the "
                      "plugin");
  table.boolean("render_shadows", defaults.render_shadows, "draw shadows (slower)");
  table.text("gl", defaults.gl, "OpenGL without a window; auto obeys MUJOCO_GL")
      .one_of({"auto", "egl", "osmesa"});
  table
      .number("expert_path_noise", defaults.expert_path_noise,
              "standard deviation of the offsets of the expert's way-points in the air, so that a "
              "policy cannot tell from the arm alone where the box is")
      .at_least(0.0)
      .with_unit("m");
  return table;
}

std::shared_ptr<Environment> create(const Options& options) {
  return std::make_shared<MujocoEnv>(
      MujocoEnvOptions{.task = options.text("task"),
                       .camera_names = options.texts("camera_names"),
                       .depth_camera_names = options.texts("depth_camera_names"),
                       .image_height = options.integer("image_height"),
                       .image_width = options.integer("image_width"),
                       .max_steps = options.integer("max_steps"),
                       .model_file = options.has("model_file") ? options.text("model_file") : "",
                       .render_shadows = options.boolean("render_shadows"),
                       .gl = options.text("gl"),
                       .expert_path_noise = options.number("expert_path_noise")});
}

}  // namespace roboimi::mujoco_env
