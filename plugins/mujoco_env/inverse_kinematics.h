// Inverse kinematics of one arm: joint angles that bring its gripper to a pose, by damped least
// squares on MuJoCo's Jacobians.
//
//   InverseKinematics solver(world, kRight);
//   JointAngles angles = solver.solve({.position = {0.1, 0, 0.2}, .orientation = q}, kHome);
//
// The redundant seventh degree of freedom is used to stay near `rest`.
#pragma once

#include <array>
#include <vector>

#include "plugins/mujoco_env/arms.h"
#include "plugins/mujoco_env/world.h"

namespace roboimi::mujoco_env {

using Vector3 = std::array<double, 3>;
using Quaternion = std::array<double, 4>;  // w x y z

// Pose of a gripper's tool site in world coordinates.
struct Pose {
  Vector3 position;  // meters
  Quaternion orientation;
};

class InverseKinematics {
 public:
  // Uses its own MuJoCo data, so the episode's state does not change. `world` must outlive the
  // solver.
  InverseKinematics(const World& world, int arm);

  // Iterates from `guess`, within the joints' ranges. If the pose is out of reach, the result is as
  // close as the arm can get; residual() reports the error.
  JointAngles solve(const Pose& target, const JointAngles& guess, const JointAngles& rest);

  // Error of the last solution: the Euclidean norm over position (meters) and orientation
  // (radians).
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
