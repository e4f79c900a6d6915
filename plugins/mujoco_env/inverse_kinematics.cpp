#include "plugins/mujoco_env/inverse_kinematics.h"

#include <algorithm>
#include <cmath>

#include "plugins/mujoco_env/simulator_call.h"

namespace roboimi::mujoco_env {
namespace {

constexpr int kMaxIterations = 60;
constexpr double kTolerance = 2e-5;   // meters and radians
constexpr double kDamping = 1e-6;     // lambda squared
constexpr double kRestGain = 0.05;    // fraction of the way to the rest angles, per iteration
constexpr double kLargestStep = 0.3;  // radians per iteration

}  // namespace

InverseKinematics::InverseKinematics(const World& world, int arm)
    : world_(world),
      arm_(world.arms[arm]),
      data_(world.make_data()),
      jacobian_(static_cast<std::size_t>(6 * world.model->nv)) {}

std::array<double, 6> InverseKinematics::error_to(const Pose& target, const JointAngles& angles) {
  const mjModel* model = world_.model.get();
  for (int i = 0; i < kNumJoints; ++i) data_->qpos[arm_.position[i]] = angles[i];
  simulator_call([&] {
    mj_kinematics(model, data_.get());
    mj_comPos(model, data_.get());
  });

  std::array<double, 6> error;
  mju_sub3(error.data(), target.position.data(), data_->site_xpos + 3 * arm_.tool_site);
  Quaternion current, inverse, difference;
  mju_mat2Quat(current.data(), data_->site_xmat + 9 * arm_.tool_site);
  mju_negQuat(inverse.data(), current.data());
  mju_mulQuat(difference.data(), target.orientation.data(), inverse.data());
  mju_quat2Vel(error.data() + 3, difference.data(), 1.0);
  return error;
}

// dq = J# e + (I - J# J) r, with J# = J^T (J J^T + lambda^2 I)^-1.
JointAngles InverseKinematics::step_for(const std::array<double, 6>& error,
                                        const JointAngles& towards_rest) {
  // The 6 x 7 Jacobian of the arm's joints.
  const mjModel* model = world_.model.get();
  const int nv = static_cast<int>(model->nv);
  simulator_call([&] {
    mj_jacSite(model, data_.get(), jacobian_.data(), jacobian_.data() + 3 * nv, arm_.tool_site);
  });
  double arm_jacobian[6][kNumJoints];
  for (int row = 0; row < 6; ++row) {
    for (int i = 0; i < kNumJoints; ++i) {
      arm_jacobian[row][i] = jacobian_[row * nv + arm_.velocity[i]];
    }
  }

  // J J^T + lambda^2 I, factorized in place.
  double gram[36];
  mju_mulMatMatT(gram, &arm_jacobian[0][0], &arm_jacobian[0][0], 6, kNumJoints, 6);
  for (int row = 0; row < 6; ++row) gram[7 * row] += kDamping;
  mju_cholFactor(gram, 6, 0.0);

  // The step equals J# (e - J r) + r, which takes one solve.
  double wanted[6], weights[6];
  mju_mulMatVec(wanted, &arm_jacobian[0][0], towards_rest.data(), 6, kNumJoints);
  mju_sub(wanted, error.data(), wanted, 6);
  mju_cholSolve(weights, gram, wanted, 6);
  JointAngles step;
  mju_mulMatTVec(step.data(), &arm_jacobian[0][0], weights, 6, kNumJoints);
  for (int i = 0; i < kNumJoints; ++i) step[i] += towards_rest[i];
  return step;
}

JointAngles InverseKinematics::solve(const Pose& target, const JointAngles& guess,
                                     const JointAngles& rest) {
  JointAngles angles = guess;
  for (int iteration = 0;; ++iteration) {
    const std::array<double, 6> error = error_to(target, angles);
    residual_ = mju_norm(error.data(), 6);
    if (residual_ < kTolerance || iteration == kMaxIterations) return angles;

    // A step of limited size, clipped to the joint ranges.
    JointAngles towards_rest;
    for (int i = 0; i < kNumJoints; ++i) towards_rest[i] = kRestGain * (rest[i] - angles[i]);
    const JointAngles step = step_for(error, towards_rest);
    double largest = 0.0;
    for (const double value : step) largest = std::max(largest, std::abs(value));
    const double scale = largest > kLargestStep ? kLargestStep / largest : 1.0;
    for (int i = 0; i < kNumJoints; ++i) {
      angles[i] = std::clamp(angles[i] + scale * step[i], arm_.lower[i], arm_.upper[i]);
    }
  }
}

}  // namespace roboimi::mujoco_env
