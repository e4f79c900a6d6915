// The simulated scene: a compiled MJCF model and the names that the task needs in it.
//
//   Scene scene = load_scene("");             // the scene inside the plugin
//   DataPointer data = scene.make_data();
//   data->ctrl[scene.arms[kRight].actuator[0]] = 0.3;   // the first joint's command
//
// Left arm first everywhere: kLeft = 0, kRight = 1. Joint angles in radians, lengths in metres.
#pragma once

#include <mujoco/mujoco.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

namespace roboimi::mujoco_env {

inline constexpr int kLeft = 0;
inline constexpr int kRight = 1;
inline constexpr int kNumArms = 2;
inline constexpr int kNumJoints = 7;            // of one arm
inline constexpr int kArmDim = kNumJoints + 1;  // 7 joint angles and the gripper's opening
inline constexpr int kStateDim = 2 * kArmDim;   // S and A
inline constexpr double kFingerTravel = 0.04;   // metres; opening 1 is both fingers this far out
inline constexpr const char* kArmNames[] = {"left", "right"};

using JointAngles = std::array<double, kNumJoints>;

// Where both arms wait when an episode starts: elbow up, gripper open, pointing down and forwards.
inline constexpr JointAngles kHome = {0.0, 0.3686, 0.0, 2.1224, 0.0, -0.1348, 0.0};

struct ModelDeleter {
  void operator()(mjModel* model) const { mj_deleteModel(model); }
};
struct DataDeleter {
  void operator()(mjData* data) const { mj_deleteData(data); }
};
using ModelPointer = std::unique_ptr<mjModel, ModelDeleter>;
using DataPointer = std::unique_ptr<mjData, DataDeleter>;

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

struct Scene {
  ModelPointer model;
  std::array<ArmIndices, kNumArms> arms;
  int box_body = 0;
  int box_geom = 0;
  int box_position = 0;  // into qpos: x y z, then quaternion w x y z
  int box_velocity = 0;  // into qvel

  DataPointer make_data() const;
};

// One text of the scene that the plugin carries.
struct SceneFile {
  const char* name;
  const char* text;
};
const std::vector<SceneFile>& embedded_scene();  // the first one includes the others

// Compiles `model_file`, or the embedded scene when it is empty. Error with the compiler's message,
// or naming what the model lacks.
Scene load_scene(const std::string& model_file);

}  // namespace roboimi::mujoco_env
