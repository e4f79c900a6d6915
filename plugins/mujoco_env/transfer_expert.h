// A scripted demonstration of sim_transfer.
//
// From the true pose of the box it lays way-points for both grippers, joins them by minimum-jerk
// paths in Cartesian space, and solves every control step's joint angles before the episode starts.
// What it commands thus depends on the box's start and on the noise alone.
#pragma once

#include <cstdint>
#include <vector>

#include "plugins/mujoco_env/inverse_kinematics.h"
#include "plugins/mujoco_env/task.h"
#include "plugins/mujoco_env/world.h"
#include "roboimi/contract/scene.h"

namespace roboimi::mujoco_env {

struct Place {
  Pose pose;
  bool in_the_air = true;
};

// A place of a gripper's path. Way-points that share a place also share its noise.
struct WayPoint {
  int step;        // control step (20 Hz) at which it is reached
  int place;       // into ArmPlan::places
  double opening;  // of the gripper, 0 closed .. 1 open
};

struct ArmPlan {
  std::vector<Place> places;
  std::vector<WayPoint> way_points;  // by step; the first at step 0
};

class TransferExpert final : public Expert {
 public:
  // `data` holds the episode just started, with the box at the pose `box`. Error for a negative
  // noise.
  TransferExpert(const World& world, const mjData* data, const Pose& box,
                 const WayPointNoise& noise, std::uint64_t seed);

  // float [16]. After the last way-point it stays there.
  at::Tensor act() override;

 private:
  std::vector<at::Tensor> commands_;
  std::size_t next_ = 0;
};

}  // namespace roboimi::mujoco_env
