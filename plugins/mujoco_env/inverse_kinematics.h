// Joint angles that bring one gripper to a pose, by damped least squares on MuJoCo's Jacobians.
//
//   InverseKinematics solver(world, kRight);
//   JointAngles angles = solver.solve({.position = {0.1, 0, 0.2}, .orientation = q}, kHome);
//
// The seventh degree of freedom is spent on staying near `rest`.
#pragma once

#include <array>
#include <vector>

#include "plugins/mujoco_env/arms.h"
#include "plugins/mujoco_env/world.h"

namespace roboimi::mujoco_env {

using Vector3 = std::array<double, 3>;
using Quaternion = std::array<double, 4>;  // w x y z

// Of a gripper's tool site, in the world.
struct Pose {
  Vector3 position;  // metres
  Quaternion orientation;
};

class InverseKinematics {
 public:
  // Works on data of its own: the episode's state is not touched. `world` must outlive the solver.
  InverseKinematics(const World& world, int arm);

  // The angles nearest to `guess` found within the joints' ranges. When the pose is out of reach
  // they come as near as the arm does; residual() tells.
  JointAngles solve(const Pose& target, const JointAngles& guess, const JointAngles& rest);

  // Of the last solution: metres and radians, joined as one Euclidean norm.
  double residual() const { return residual_; }

 private:
  std::array<double, 6> error_to(const Pose& target, const JointAngles& angles);
  JointAngles step_for(const std::array<double, 6>& error, const JointAngles& towards_rest);

  const World& world_;
  const ArmIndices& arm_;
  DataPointer data_;
  std::vector<double> jacobian_;  // [6, nv]
  double residual_ = 0.0;
};

}  // namespace roboimi::mujoco_env
