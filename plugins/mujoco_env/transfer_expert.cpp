#include "plugins/mujoco_env/transfer_expert.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"

namespace roboimi::mujoco_env {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr double kDownwards = 0.75 * kPi;  // pitch: halfway between forward and straight down
constexpr double kForwards = 0.5 * kPi;
// Lengths in meters.
constexpr Vector3 kExchange = {0.0, 0.0, 0.22};  // position of the box at the handover
constexpr double kGripAbove = 0.006;             // center of the right pads above that of the box
constexpr double kGripBehind = 0.006;            // center of the left pads behind that of the box
constexpr int kLastStep = 170;

Quaternion about(const Vector3& axis, double angle) {
  Quaternion result;
  mju_axisAngle2Quat(result.data(), axis.data(), angle);
  return result;
}

Quaternion operator*(const Quaternion& first, const Quaternion& second) {
  Quaternion result;
  mju_mulQuat(result.data(), first.data(), second.data());
  return result;
}

Vector3 operator+(const Vector3& a, const Vector3& b) {
  return {a[0] + b[0], a[1] + b[1], a[2] + b[2]};
}

// Orientation of a gripper that points `pitch` radians from straight up, away from its base, turned
// by `yaw` about the vertical and by `roll` about its own axis. The arms face each other along x.
Quaternion orient(int arm, double pitch, double yaw, double roll) {
  const double facing = arm == kLeft ? 0.0 : kPi;
  return about({0, 0, 1}, facing + yaw) * about({0, 1, 0}, pitch) * about({0, 0, 1}, roll);
}

// The pose moved back by `distance` (meters) along the gripper's pointing direction.
Pose drawn_back(const Pose& pose, double distance) {
  const Vector3 backwards = {0, 0, -distance};
  Vector3 offset;
  mju_rotVecQuat(offset.data(), backwards.data(), pose.orientation.data());
  return {pose.position + offset, pose.orientation};
}

// The yaw of a box that lies flat, folded into (-45, 45] degrees, since all its sides are alike.
double yaw_of_box(const Quaternion& quaternion) {
  const double yaw = 2.0 * std::atan2(quaternion[3], quaternion[0]);
  return yaw - 0.5 * kPi * std::round(yaw / (0.5 * kPi));
}

Pose pose_of_tool(const Arms& arms, const mjData* data, int arm) {
  const int site = arms[arm].tool_site;
  Pose pose;
  mju_copy3(pose.position.data(), data->site_xpos + 3 * site);
  mju_mat2Quat(pose.orientation.data(), data->site_xmat + 9 * site);
  return pose;
}

ArmPlan plan_right(const Arms& arms, const mjData* data, const Pose& box) {
  const Pose home = pose_of_tool(arms, data, kRight);
  const Pose grasp = {box.position + Vector3{0, 0, kGripAbove},
                      orient(kRight, kDownwards, yaw_of_box(box.orientation), 0)};
  const Pose lifted = {grasp.position + Vector3{0, 0, 0.06}, grasp.orientation};
  const Pose exchange = {kExchange + Vector3{0, 0, kGripAbove}, orient(kRight, kDownwards, 0, 0)};
  ArmPlan plan;
  plan.places = {{home},   {drawn_back(grasp, 0.10)}, {grasp, false},
                 {lifted}, {exchange, false},         {drawn_back(exchange, 0.12)},
                 {home}};
  plan.way_points = {{0, 0, 1},  {32, 1, 1},  {48, 2, 1},  {56, 2, 0},  {66, 3, 0},
                     {88, 4, 0}, {116, 4, 0}, {122, 4, 1}, {138, 5, 1}, {kLastStep, 6, 1}};
  return plan;
}

ArmPlan plan_left(const Arms& arms, const mjData* data) {
  const Pose home = pose_of_tool(arms, data, kLeft);
  const Pose grasp = {kExchange + Vector3{-kGripBehind, 0, 0},
                      orient(kLeft, kForwards, 0, 0.5 * kPi)};
  const Pose away = {grasp.position + Vector3{-0.10, 0, -0.02}, grasp.orientation};
  ArmPlan plan;
  plan.places = {
      {home}, {drawn_back(grasp, 0.12)}, {drawn_back(grasp, 0.10)}, {grasp, false}, {away}};
  plan.way_points = {{0, 0, 1},   {42, 0, 1},  {84, 1, 1},  {92, 2, 1},
                     {107, 3, 1}, {115, 3, 0}, {142, 3, 0}, {kLastStep, 4, 0}};
  return plan;
}

void perturb(const WayPointNoise& noise, std::uint64_t seed, ArmPlan* plan) {
  at::Generator generator = make_generator(seed);
  const auto count = static_cast<std::int64_t>(plan->places.size());
  const at::Tensor offsets = at::randn({count, 3}, generator, at::kDouble);
  const auto values = offsets.accessor<double, 2>();
  for (std::int64_t i = 1; i < count; ++i) {
    Place& place = plan->places[i];
    const double scale =
        place.in_the_air ? std::hypot(noise.everywhere, noise.in_the_air) : noise.everywhere;
    for (int axis = 0; axis < 3; ++axis) place.pose.position[axis] += scale * values[i][axis];
  }
}

// 10 s^3 - 15 s^4 + 6 s^5: zero velocity and acceleration at both ends.
double minimum_jerk(double s) { return s * s * s * (10.0 + s * (6.0 * s - 15.0)); }

// The gripper's target pose and opening at control step `step`.
std::pair<Pose, double> plan_at(const ArmPlan& plan, int step) {
  const auto after = std::find_if(plan.way_points.begin(), plan.way_points.end(),
                                  [&](const WayPoint& point) { return point.step > step; });
  // Past the last waypoint the gripper stays there.
  const WayPoint& last = *(after - 1);
  if (after == plan.way_points.end()) return {plan.places[last.place].pose, last.opening};

  // Interpolates between the waypoints before and after this step.
  const Pose& from = plan.places[last.place].pose;
  const Pose& to = plan.places[after->place].pose;
  const double fraction = (step + 1.0 - last.step) / (after->step - last.step);
  const double along = minimum_jerk(fraction);
  Pose pose = from;
  Vector3 turn;
  mju_subQuat(turn.data(), to.orientation.data(), from.orientation.data());
  mju_quatIntegrate(pose.orientation.data(), turn.data(), along);
  for (int axis = 0; axis < 3; ++axis) {
    pose.position[axis] += along * (to.position[axis] - from.position[axis]);
  }
  return {pose, last.opening + fraction * (after->opening - last.opening)};
}

// Fills in one arm's half of every command.
void command_arm(const World& world, int arm, const ArmPlan& plan, std::vector<at::Tensor>* out) {
  InverseKinematics solver(world, arm);
  JointAngles angles = kHome;
  for (std::size_t step = 0; step < out->size(); ++step) {
    const auto [pose, opening] = plan_at(plan, static_cast<int>(step));
    angles = solver.solve(pose, angles, kHome);
    float* command = (*out)[step].data_ptr<float>() + arm * kArmDim;
    for (int i = 0; i < kNumJoints; ++i) command[i] = static_cast<float>(angles[i]);
    command[kNumJoints] = static_cast<float>(opening);
  }
}

}  // namespace

TransferExpert::TransferExpert(const World& world, const mjData* data, const Pose& box,
                               const WayPointNoise& noise, std::uint64_t seed) {
  for (const double deviation : {noise.everywhere, noise.in_the_air}) {
    if (deviation >= 0.0 && std::isfinite(deviation)) continue;
    throw Error({.what = "invalid noise of the expert's waypoints",
                 .where = "mujoco_env",
                 .expected = "meters, 0 or more",
                 .found = fmt::format("{}", deviation)});
  }

  // Plans both arms, then solves for the commands.
  for (int step = 0; step <= kLastStep; ++step) {
    commands_.push_back(at::zeros({kStateDim}, at::kFloat));
  }
  ArmPlan left = plan_left(world.arms, data);
  ArmPlan right = plan_right(world.arms, data, box);
  perturb(noise, mix_seed(seed, kLeft), &left);
  perturb(noise, mix_seed(seed, kRight), &right);
  command_arm(world, kLeft, left, &commands_);
  command_arm(world, kRight, right, &commands_);
}

at::Tensor TransferExpert::act() {
  const std::size_t row = std::min(next_++, commands_.size() - 1);
  return commands_[row].clone();
}

}  // namespace roboimi::mujoco_env
