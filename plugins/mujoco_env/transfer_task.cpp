#include "plugins/mujoco_env/transfer_task.h"

#include <ATen/ATen.h>

#include <cmath>

#include "plugins/mujoco_env/inverse_kinematics.h"
#include "plugins/mujoco_env/transfer_expert.h"
#include "roboimi/common/error.h"
#include "roboimi/common/random.h"

namespace roboimi::mujoco_env {
namespace {

constexpr int kHighestStage = 4;
constexpr int kBoxStateDim = 7;

// A uniform draw from [low, high), the same on every machine.
double draw_between(double low, double high, std::uint64_t seed, std::uint64_t index) {
  const double unit = static_cast<double>(mix_seed(seed, index) >> 11) * 0x1p-53;
  return low + (high - low) * unit;
}

// Bodies that touch the box.
struct Touching {
  bool gripper[kNumArms] = {false, false};
  bool finger[kNumArms][2] = {{false, false}, {false, false}};
  bool anything_else = false;  // table, floor, links of an arm
};

void note_contact(const Arms& arms, int body, Touching* touching) {
  for (int side = 0; side < kNumArms; ++side) {
    const ArmIndices& arm = arms[side];
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

Touching find_touching(const World& world, int box_body, const mjData* data) {
  Touching touching;
  for (int i = 0; i < data->ncon; ++i) {
    const mjContact& contact = data->contact[i];
    if (contact.geom[0] < 0 || contact.geom[1] < 0) continue;
    const int first = world.model->geom_bodyid[contact.geom[0]];
    const int second = world.model->geom_bodyid[contact.geom[1]];
    if (first == box_body) note_contact(world.arms, second, &touching);
    if (second == box_body) note_contact(world.arms, first, &touching);
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

TransferTask::TransferTask(const World& world) : world_(world) {
  const mjModel* model = world.model.get();
  box_body_ = find_named(model, mjOBJ_BODY, "box");
  const int joint = find_named(model, mjOBJ_JOINT, "box");
  if (model->jnt_type[joint] != mjJNT_FREE) {
    throw Error({.what = "the joint 'box' is not free",
                 .where = "mujoco_env",
                 .expected = "<freejoint name=\"box\"/>, as in assets/sim_transfer"});
  }
  box_position_ = model->jnt_qposadr[joint];
}

std::vector<std::string> TransferTask::stage_names() const {
  return {"nothing", "right gripper touches the box", "right gripper lifts the box",
          "left gripper touches the lifted box", "left gripper holds the box alone"};
}

double TransferTask::max_reward() const { return kHighestStage; }

std::int64_t TransferTask::object_state_dim() const { return kBoxStateDim; }

void TransferTask::place(std::uint64_t seed, mjData* data) const {
  put_box(draw_placement(seed), data);
}

void TransferTask::put_box(const BoxPlacement& placement, mjData* data) const {
  double* box = data->qpos + box_position_;
  box[0] = placement.x;
  box[1] = placement.y;
  box[2] = kBoxHalfSize;
  box[3] = std::cos(placement.yaw / 2);
  box[4] = box[5] = 0.0;
  box[6] = std::sin(placement.yaw / 2);
}

int TransferTask::stage(const mjData* data) const {
  const Touching touching = find_touching(world_, box_body_, data);
  const bool right = touching.gripper[kRight];
  const bool lifted = !touching.anything_else;
  if (lifted && !right && touching.finger[kLeft][0] && touching.finger[kLeft][1]) return 4;
  if (lifted && touching.gripper[kLeft]) return 3;
  if (lifted && right) return 2;
  return right ? 1 : 0;
}

Score TransferTask::score(const mjData* data) const {
  const int reached = stage(data);
  return {.stage = reached,
          .reward = static_cast<double>(reached),
          .is_achieved = reached == kHighestStage};
}

at::Tensor TransferTask::object_state(const mjData* data) const {
  return at::tensor(at::ArrayRef<double>(data->qpos + box_position_, kBoxStateDim), at::kFloat);
}

std::map<std::string, at::Tensor> TransferTask::labels(const mjData* data) const {
  return {{"box_position",
           at::tensor(at::ArrayRef<double>(data->qpos + box_position_, 3), at::kFloat)}};
}

std::unique_ptr<Expert> TransferTask::make_expert(const mjData* data, const WayPointNoise& noise,
                                                  std::uint64_t seed) const {
  const double* box = data->qpos + box_position_;
  const Pose pose = {.position = {box[0], box[1], box[2]},
                     .orientation = {box[3], box[4], box[5], box[6]}};
  return std::make_unique<TransferExpert>(world_, data, pose, noise, seed);
}

}  // namespace roboimi::mujoco_env
