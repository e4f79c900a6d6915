// The task sim_transfer: the right arm lifts a red box and hands it over to the left arm.
//
// The rules follow ACT's simulated cube transfer (arXiv 2304.13705), with a stricter last stage:
//   0  none of the below
//   1  the right gripper touches the box
//   2  the right gripper has lifted the box: nothing else touches it
//   3  the left gripper touches the lifted box
//   4  both left fingers hold it, and nothing else touches it: the right gripper has let go
// A step's reward is its stage; the task is achieved in stage 4.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "plugins/mujoco_env/task.h"
#include "plugins/mujoco_env/world.h"

namespace roboimi::mujoco_env {

inline constexpr double kBoxHalfSize = 0.025;  // meters

// Range of the box's initial pose, in meters and radians.
struct PlacementRange {
  double x_low = 0.02, x_high = 0.16;
  double y_low = -0.08, y_high = 0.08;
  double largest_yaw = 0.15;
};

struct BoxPlacement {
  double x = 0.0, y = 0.0;  // meters
  double yaw = 0.0;         // radians, about the vertical
};

// Drawn uniformly from the range; depends only on the seed.
BoxPlacement draw_placement(std::uint64_t seed);

class TransferTask final : public Task {
 public:
  // `world` must outlive the task. Throws Error if it has no free body named box.
  explicit TransferTask(const World& world);

  std::vector<std::string> stage_names() const override;
  double max_reward() const override;
  std::int64_t object_state_dim() const override;

  void place(std::uint64_t seed, mjData* data) const override;
  Score score(const mjData* data) const override;
  // The box's position (meters) and quaternion (w x y z).
  at::Tensor object_state(const mjData* data) const override;
  std::map<std::string, at::Tensor> labels(const mjData* data) const override;
  std::unique_ptr<Expert> make_expert(const mjData* data, const WayPointNoise& noise,
                                      std::uint64_t seed) const override;

  void put_box(const BoxPlacement& placement, mjData* data) const;
  // Index into qpos of the box's pose: x y z, then the quaternion w x y z.
  int box_position() const { return box_position_; }

 private:
  int stage(const mjData* data) const;

  const World& world_;
  int box_body_ = 0;
  int box_position_ = 0;
};

}  // namespace roboimi::mujoco_env
