// A scripted expert for sim_transfer.
//
// From the true pose of the box it sets waypoints for both grippers, joins them by minimum-jerk
// paths in Cartesian space, and solves for the joint angles of every control step before the
// episode starts. Its commands therefore depend only on the box's initial pose and on the noise.
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

// A point of a gripper's path. Waypoints that share a place also share its noise.
struct WayPoint {
  int step;        // control step (20 Hz) at which it is reached
  int place;       // index into ArmPlan::places
  double opening;  // of the gripper, 0 closed .. 1 open
};

struct ArmPlan {
  std::vector<Place> places;
  std::vector<WayPoint> way_points;  // by step; the first at step 0
};

class TransferExpert final : public Expert {
 public:
  // `data` is that of an episode that has just started, with the box at the pose `box`. Throws
  // Error for negative noise.
  TransferExpert(const World& world, const mjData* data, const Pose& box,
                 const WayPointNoise& noise, std::uint64_t seed);

  // The next command, float [16]. After the last waypoint it stays the same.
  at::Tensor act() override;

 private:
  std::vector<at::Tensor> commands_;
  std::size_t next_ = 0;
};

}  // namespace roboimi::mujoco_env
