// A task of the two arms: what lies on the table, where it starts, how far it has come, and an
// expert that shows how it is done.
//
//   const TaskRow& row = find_task("sim_transfer");
//   const World world = load_world(row.scene, "");
//   const std::unique_ptr<Task> task = row.make(world);
//   task->place(seed, data);             // in a world that start_at_home() has set up
//   mj_forward(world.model.get(), data);
//   Score score = task->score(data);
//
// MujocoEnv has the arms, the control rate, the cameras and the episode; a task has the rest. A new
// task is a class in a file of its own, an MJCF in assets/sim_transfer, and a row of tasks().
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "plugins/mujoco_env/world.h"
#include "roboimi/contract/scene.h"

namespace roboimi::mujoco_env {

// What a state of the simulation is worth.
struct Score {
  int stage = 0;             // into stage_names()
  double reward = 0.0;       // of the step that ends here; at most max_reward()
  bool is_achieved = false;  // the task's goal is met in this state: success, and when it lasts,
                             // stable success
};

// Standard deviations in meters of the offsets of an expert's way-points, but for the first.
struct WayPointNoise {
  double everywhere = 0.0;
  double in_the_air = 0.0;  // in addition, where no gripper closes, opens or meets an object
};

// Const members take the data of the world that the task was made for, up to date (mj_forward).
class Task {
 public:
  virtual ~Task();

  virtual std::vector<std::string> stage_names() const = 0;  // stage 0 first
  virtual double max_reward() const = 0;
  virtual std::int64_t object_state_dim() const = 0;  // E of an observation's env_state; 0: none

  // Sets the positions of the objects to where an episode of `seed` starts; of the seed alone.
  virtual void place(std::uint64_t seed, mjData* data) const = 0;
  virtual Score score(const mjData* data) const = 0;
  // The objects' state, float [E], or undefined where E is 0.
  virtual at::Tensor object_state(const mjData* data) const = 0;
  // Named quantities float [k] of the objects; the environment adds those of the arms.
  virtual std::map<std::string, at::Tensor> labels(const mjData* data) const = 0;

  // For an episode that has just started, or nullptr. Error for a negative noise.
  virtual std::unique_ptr<Expert> make_expert(const mjData* data, const WayPointNoise& noise,
                                              std::uint64_t seed) const = 0;
};

struct TaskRow {
  std::string name;  // of the option `task`
  MjcfFile scene;    // includes arms.xml
  // `world` must outlive the task. Error naming an object that the world lacks.
  std::unique_ptr<Task> (*make)(const World& world);
};

// The tasks of the plugin.
const std::vector<TaskRow>& tasks();
std::vector<std::string> task_names();
// Error naming the tasks there are.
const TaskRow& find_task(const std::string& name);

}  // namespace roboimi::mujoco_env
