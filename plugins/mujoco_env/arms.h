// The two arms of every scene of this plugin, left arm first: their indices in MuJoCo's model and
// data, and the conversion to a policy's state and action.
//
//   const Arms arms = find_arms(model);
//   put_at_home(arms, data);
//   data->ctrl[arms[kRight].actuator[0]] = 0.3;   // the first joint's command
//
// State and action have kStateDim elements: for each arm 7 joint angles (radians) and the gripper
// opening (0 closed .. 1 open). Lengths are in meters.
#pragma once

#include <mujoco/mujoco.h>

#include <array>

namespace roboimi::mujoco_env {

inline constexpr int kLeft = 0;
inline constexpr int kRight = 1;
inline constexpr int kNumArms = 2;
inline constexpr int kNumJoints = 7;            // of one arm
inline constexpr int kArmDim = kNumJoints + 1;  // 7 joint angles and the gripper's opening
inline constexpr int kStateDim = 2 * kArmDim;   // S = A
inline constexpr double kFingerTravel = 0.04;   // meters; travel of each finger at opening 1
inline constexpr const char* kArmNames[] = {"left", "right"};

using JointAngles = std::array<double, kNumJoints>;

// Pose of both arms at the start of an episode: elbow up, gripper open, pointing down and forward.
inline constexpr JointAngles kHome = {0.0, 0.3686, 0.0, 2.1224, 0.0, -0.1348, 0.0};

// Indices of one arm in the model.
struct ArmIndices {
  std::array<int, kNumJoints> position;  // into qpos
  std::array<int, kNumJoints> velocity;  // into qvel
  std::array<int, kNumJoints> actuator;  // into ctrl
  std::array<double, kNumJoints> lower;  // radians
  std::array<double, kNumJoints> upper;  // radians
  std::array<int, 2> finger_position, finger_velocity, finger_actuator;
  std::array<int, 2> finger_body;
  int gripper_body = 0;
  int link7_body = 0;
  int tool_site = 0;  // between the pads; z points out of the gripper, y is the closing direction
};

using Arms = std::array<ArmIndices, kNumArms>;

// The id of a named part of the model. An Error names the part if the model lacks it.
int find_named(const mjModel* model, mjtObj type, const char* name);

// The indices of both arms. An Error names the part that the model lacks.
Arms find_arms(const mjModel* model);

// Sets positions and commands to kHome with open grippers.
void put_at_home(const Arms& arms, mjData* data);

// Write kStateDim elements each.
void read_state(const Arms& arms, const mjData* data, float* state);
void read_velocity(const Arms& arms, const mjData* data, float* velocity);

// Whether both fingers touch the same movable body, other than a finger.
bool holds_object(const mjModel* model, const mjData* data, const ArmIndices& arm);

// Sets the commands from an action of kStateDim finite elements. Joint targets are clipped to the
// joints' ranges, openings to [0, 1].
void apply_action(const Arms& arms, const double* action, mjData* data);

}  // namespace roboimi::mujoco_env
