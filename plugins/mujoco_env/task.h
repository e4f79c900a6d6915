// A task for the two arms: the objects, their initial positions, the score, and a scripted expert.
//
//   const TaskRow& row = find_task("sim_transfer");
//   const World world = load_world(row.scene, "");
//   const std::unique_ptr<Task> task = row.make(world);
//   task->place(seed, data);             // in a world that start_at_home() has set up
//   mj_forward(world.model.get(), data);
//   Score score = task->score(data);
//
// MujocoEnv provides the arms, the control rate, the cameras and the episode; a task provides the
// rest. A new task takes a class in its own file, an MJCF file in assets/sim_transfer, and a row in
// tasks().
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

// The score of a state of the simulation.
struct Score {
  int stage = 0;        // index into stage_names()
  double reward = 0.0;  // of the step that ends in this state; at most max_reward()
  bool is_achieved =
      false;  // the goal is met in this state: success, or stable success if it lasts
};

// Standard deviations in meters of the offsets of an expert's waypoints. The first has no offset.
struct WayPointNoise {
  double everywhere = 0.0;
  double in_the_air = 0.0;  // additional, where no gripper closes, opens or meets an object
};

// Const members take data of the world that the task was created for, up to date (mj_forward).
class Task {
 public:
  virtual ~Task();

  virtual std::vector<std::string> stage_names() const = 0;  // stage 0 first
  virtual double max_reward() const = 0;
  virtual std::int64_t object_state_dim() const = 0;  // E, the size of env_state; 0: none

  // Sets the objects to their initial positions in an episode, which depend only on `seed`.
  virtual void place(std::uint64_t seed, mjData* data) const = 0;
  virtual Score score(const mjData* data) const = 0;
  // The objects' state, float [E], or undefined if E is 0.
  virtual at::Tensor object_state(const mjData* data) const = 0;
  // Named quantities float [k] of the objects; the environment adds those of the arms.
  virtual std::map<std::string, at::Tensor> labels(const mjData* data) const = 0;

  // An expert for an episode that has just started, or nullptr. Throws Error for negative noise.
  virtual std::unique_ptr<Expert> make_expert(const mjData* data, const WayPointNoise& noise,
                                              std::uint64_t seed) const = 0;
};

struct TaskRow {
  std::string name;  // value of the option `task`
  MjcfFile scene;    // includes arms.xml
  // Creates the task; `world` must outlive it. An Error names an object that the world lacks.
  std::unique_ptr<Task> (*make)(const World& world);
};

// The tasks of the plugin.
const std::vector<TaskRow>& tasks();
std::vector<std::string> task_names();
// An Error lists the existing tasks.
const TaskRow& find_task(const std::string& name);

}  // namespace roboimi::mujoco_env
