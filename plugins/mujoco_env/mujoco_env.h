// A MuJoCo environment with two 7-joint arms and one of the tasks in tasks(), such as sim_transfer,
// in which the arms hand over a red box.
//
//   mujoco_env::MujocoEnv environment({});
//   Observation observation = environment.reset(7, /*render=*/true);
//   StepResult result = environment.step(action, true);
//
// State and action have 16 elements, left arm first: 7 joint angles (radians) and the gripper
// opening (0 closed .. 1 open) of each arm. An action is held for one control step: 20 Hz over 500
// Hz physics. The same seed and actions give a bit-identical episode.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plugins/mujoco_env/renderer.h"
#include "plugins/mujoco_env/task.h"
#include "plugins/mujoco_env/world.h"
#include "roboimi/config/schema.h"
#include "roboimi/contract/environment.h"
#include "roboimi/contract/scene.h"

namespace roboimi::mujoco_env {

inline constexpr int kControlHz = 20;
inline constexpr int kSubSteps = 25;     // physics steps per control step
inline constexpr int kStableSteps = 10;  // steps in a row with the task achieved: stable_success

struct MujocoEnvOptions {
  std::string task = "sim_transfer";
  std::vector<std::string> camera_names = {"front", "top", "r_vis"};
  std::vector<std::string> depth_camera_names = {};  // streams "<camera>_depth", in meters
  std::int64_t image_height = 256;                   // pixels
  std::int64_t image_width = 256;                    // pixels
  std::int64_t max_steps = 200;                      // control steps
  std::string model_file = {};  // MJCF with the same names; empty: the task's own scene
  bool render_shadows = false;
  std::string gl = "auto";         // auto, egl, osmesa
  double expert_path_noise = 0.0;  // meters; standard deviation, for waypoints in the air
};

class MujocoEnv final : public Environment, public Scene {
 public:
  // Throws Error for a task that is not in tasks().
  explicit MujocoEnv(MujocoEnvOptions options);
  // With a task that need not be in tasks(); options.task is ignored.
  MujocoEnv(MujocoEnvOptions options, const TaskRow& task);
  ~MujocoEnv() override;

  const ObservationSpec& spec() const override { return spec_; }
  std::int64_t max_steps() const override { return options_.max_steps; }

  Observation reset(std::uint64_t seed, bool render) override;
  // Joint targets are clipped to the joints' ranges, openings to [0, 1]. Throws Error for an action
  // of the wrong size or with a value that is not finite, and for a call before reset() or after
  // the last step.
  StepResult step(const at::Tensor& action, bool render) override;
  Observation observe(bool render) override;
  Scene* scene() override { return this; }

  double max_reward() const override { return task_->max_reward(); }
  std::vector<std::string> stage_names() const override { return task_->stage_names(); }

  // Positions of left_link7 and right_link7.
  std::vector<std::array<double, 3>> end_effector_positions() const override;
  std::vector<std::string> end_effector_names() const override;
  // Positions of the sites left_tool and right_tool, between the fingertips.
  std::vector<std::array<double, 3>> tool_positions() const override;
  // Both fingers of the arm touch the same movable body.
  std::vector<bool> holding() const override;
  std::map<std::string, at::Tensor> labels() const override;

  at::Tensor render(const std::string& camera, ImageSize size) override;
  std::string renderer_name() const override { return renderer_.renderer_name(); }
  std::optional<std::array<double, 2>> project(const std::string& camera, ImageSize size,
                                               const std::array<double, 3>& point) const override;

  // `noise`: standard deviation in meters.
  std::unique_ptr<Expert> make_expert(double noise, std::uint64_t seed) override;

  // For tests and tools that inspect the simulation.
  const World& world() const { return world_; }
  const mjData* data() const { return data_.get(); }

 private:
  void check_running() const;
  void check_begun() const;
  void apply(const at::Tensor& action);
  void simulate_control_step();
  void note_score(const Score& score);

  const MujocoEnvOptions options_;
  const World world_;
  const std::unique_ptr<Task> task_;
  DataPointer data_;
  Renderer renderer_;
  ObservationSpec spec_;
  bool running_ = false;
  bool has_reset_ = false;
  std::int64_t steps_ = 0;
  int steps_achieved_ = 0;  // in a row
  StepInfo info_;
};

Schema schema();
std::shared_ptr<Environment> create(const Options& options);

}  // namespace roboimi::mujoco_env
