#include "plugins/mujoco_env/transfer_task.h"

#include <cmath>

#include "plugins/mujoco_env/simulator_call.h"
#include "roboimi/common/random.h"

namespace roboimi::mujoco_env {
namespace {

// An even draw from [low, high), the same on every machine.
double draw_between(double low, double high, std::uint64_t seed, std::uint64_t index) {
  const double unit = static_cast<double>(mix_seed(seed, index) >> 11) * 0x1p-53;
  return low + (high - low) * unit;
}

// What touches the box.
struct Touching {
  bool gripper[kNumArms] = {false, false};
  bool finger[kNumArms][2] = {{false, false}, {false, false}};
  bool anything_else = false;  // table, floor, an arm's links
};

void note_contact(const Scene& scene, int body, Touching* touching) {
  for (int side = 0; side < kNumArms; ++side) {
    const ArmIndices& arm = scene.arms[side];
    for (int i = 0; i < 2; ++i) {
      if (body == arm.finger_body[i]) touching->finger[side][i] = true;
    }
    if (body == arm.gripper_body || body == arm.finger_body[0] || body == arm.finger_body[1]) {
      touching->gripper[side] = true;
      return;
    }
  }
  touching->anything_else = true;
}

Touching find_touching(const Scene& scene, const mjData* data) {
  Touching touching;
  for (int i = 0; i < data->ncon; ++i) {
    const mjContact& contact = data->contact[i];
    if (contact.geom[0] < 0 || contact.geom[1] < 0) continue;
    const int first = scene.model->geom_bodyid[contact.geom[0]];
    const int second = scene.model->geom_bodyid[contact.geom[1]];
    if (first == scene.box_body) note_contact(scene, second, &touching);
    if (second == scene.box_body) note_contact(scene, first, &touching);
  }
  return touching;
}

}  // namespace

BoxPlacement draw_placement(std::uint64_t seed) {
  const PlacementRange range;
  return {.x = draw_between(range.x_low, range.x_high, seed, 0),
          .y = draw_between(range.y_low, range.y_high, seed, 1),
          .yaw = draw_between(-range.largest_yaw, range.largest_yaw, seed, 2)};
}

void start_episode(const Scene& scene, const BoxPlacement& placement, mjData* data) {
  simulator_call([&] { mj_resetData(scene.model.get(), data); });
  for (const ArmIndices& arm : scene.arms) {
    for (int i = 0; i < kNumJoints; ++i) {
      data->qpos[arm.position[i]] = kHome[i];
      data->ctrl[arm.actuator[i]] = kHome[i];
    }
    for (int i = 0; i < 2; ++i) {
      data->qpos[arm.finger_position[i]] = kFingerTravel;
      data->ctrl[arm.finger_actuator[i]] = kFingerTravel;
    }
  }
  double* box = data->qpos + scene.box_position;
  box[0] = placement.x;
  box[1] = placement.y;
  box[2] = kBoxHalfSize;
  box[3] = std::cos(placement.yaw / 2);
  box[4] = box[5] = 0.0;
  box[6] = std::sin(placement.yaw / 2);
  simulator_call([&] { mj_forward(scene.model.get(), data); });
}

int current_stage(const Scene& scene, const mjData* data) {
  const Touching touching = find_touching(scene, data);
  const bool right = touching.gripper[kRight];
  const bool lifted = !touching.anything_else;
  if (lifted && !right && touching.finger[kLeft][0] && touching.finger[kLeft][1]) return 4;
  if (lifted && touching.gripper[kLeft]) return 3;
  if (lifted && right) return 2;
  return right ? 1 : 0;
}

std::vector<std::string> transfer_stage_names() {
  return {"nothing", "right gripper touches the box", "right gripper lifts the box",
          "left gripper touches the lifted box", "left gripper holds the box alone"};
}

}  // namespace roboimi::mujoco_env
