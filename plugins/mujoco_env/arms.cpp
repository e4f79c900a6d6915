#include "plugins/mujoco_env/arms.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>

#include "roboimi/common/error.h"

namespace roboimi::mujoco_env {
namespace {

ArmIndices find_arm(const mjModel* model, const std::string& arm) {
  const auto find = [&](mjtObj type, const std::string& part) {
    return find_named(model, type, (arm + part).c_str());
  };

  // Joints of the arm.
  ArmIndices indices;
  for (int i = 0; i < kNumJoints; ++i) {
    const std::string name = fmt::format("_joint{}", i + 1);
    const int joint = find(mjOBJ_JOINT, name);
    indices.position[i] = model->jnt_qposadr[joint];
    indices.velocity[i] = model->jnt_dofadr[joint];
    indices.actuator[i] = find(mjOBJ_ACTUATOR, name);
    indices.lower[i] = model->jnt_range[2 * joint];
    indices.upper[i] = model->jnt_range[2 * joint + 1];
  }

  // Gripper.
  for (int i = 0; i < 2; ++i) {
    const std::string name = fmt::format("_finger{}", i + 1);
    const int joint = find(mjOBJ_JOINT, name);
    indices.finger_position[i] = model->jnt_qposadr[joint];
    indices.finger_velocity[i] = model->jnt_dofadr[joint];
    indices.finger_actuator[i] = find(mjOBJ_ACTUATOR, name);
    indices.finger_body[i] = find(mjOBJ_BODY, name);
  }
  indices.gripper_body = find(mjOBJ_BODY, "_gripper");
  indices.link7_body = find(mjOBJ_BODY, "_link7");
  indices.tool_site = find(mjOBJ_SITE, "_tool");
  return indices;
}

// Writes joint values and gripper opening of one arm to `out`, from a position or a velocity
// vector.
void read_arm(const mjtNum* values, const std::array<int, kNumJoints>& joints,
              const std::array<int, 2>& fingers, float* out) {
  for (int i = 0; i < kNumJoints; ++i) out[i] = static_cast<float>(values[joints[i]]);
  const double travel = 0.5 * (values[fingers[0]] + values[fingers[1]]);
  out[kNumJoints] = static_cast<float>(travel / kFingerTravel);
}

}  // namespace

int find_named(const mjModel* model, mjtObj type, const char* name) {
  const int id = mj_name2id(model, type, name);
  if (id >= 0) return id;
  throw Error({.what = fmt::format("the scene lacks the {} '{}'", mju_type2Str(type), name),
               .where = "mujoco_env",
               .expected = "a model with the names of assets/sim_transfer",
               .next = "include arms.xml in the MJCF, and use the same object names as the task's "
                       "own scene"});
}

Arms find_arms(const mjModel* model) {
  return {find_arm(model, kArmNames[kLeft]), find_arm(model, kArmNames[kRight])};
}

void put_at_home(const Arms& arms, mjData* data) {
  for (const ArmIndices& arm : arms) {
    for (int i = 0; i < kNumJoints; ++i) {
      data->qpos[arm.position[i]] = kHome[i];
      data->ctrl[arm.actuator[i]] = kHome[i];
    }
    for (int i = 0; i < 2; ++i) {
      data->qpos[arm.finger_position[i]] = kFingerTravel;
      data->ctrl[arm.finger_actuator[i]] = kFingerTravel;
    }
  }
}

void read_state(const Arms& arms, const mjData* data, float* state) {
  for (int side = 0; side < kNumArms; ++side) {
    const ArmIndices& arm = arms[side];
    read_arm(data->qpos, arm.position, arm.finger_position, state + side * kArmDim);
  }
}

void read_velocity(const Arms& arms, const mjData* data, float* velocity) {
  for (int side = 0; side < kNumArms; ++side) {
    const ArmIndices& arm = arms[side];
    read_arm(data->qvel, arm.velocity, arm.finger_velocity, velocity + side * kArmDim);
  }
}

bool holds_object(const mjModel* model, const mjData* data, const ArmIndices& arm) {
  // Bodies that each finger touches; the table and the floor are fixed to the world.
  std::array<std::set<int>, 2> touched;
  for (int i = 0; i < data->ncon; ++i) {
    const mjContact& contact = data->contact[i];
    if (contact.geom[0] < 0 || contact.geom[1] < 0) continue;
    const int bodies[2] = {model->geom_bodyid[contact.geom[0]],
                           model->geom_bodyid[contact.geom[1]]};
    for (int finger = 0; finger < 2; ++finger) {
      for (int side = 0; side < 2; ++side) {
        const int other = bodies[1 - side];
        const bool is_movable = model->body_weldid[other] != 0;
        if (bodies[side] == arm.finger_body[finger] && is_movable) touched[finger].insert(other);
      }
    }
  }
  return std::any_of(touched[0].begin(), touched[0].end(),
                     [&](int body) { return touched[1].contains(body); });
}

void apply_action(const Arms& arms, const double* action, mjData* data) {
  for (int side = 0; side < kNumArms; ++side) {
    const ArmIndices& arm = arms[side];
    const double* command = action + side * kArmDim;
    for (int i = 0; i < kNumJoints; ++i) {
      data->ctrl[arm.actuator[i]] = std::clamp(command[i], arm.lower[i], arm.upper[i]);
    }
    const double travel = kFingerTravel * std::clamp(command[kNumJoints], 0.0, 1.0);
    for (const int actuator : arm.finger_actuator) data->ctrl[actuator] = travel;
  }
}

}  // namespace roboimi::mujoco_env
