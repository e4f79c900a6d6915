// The task sim_transfer: the right arm lifts a red box and hands it over to the left arm.
//
// The rules follow ACT's simulated cube transfer (arXiv 2304.13705), with a stricter last stage:
//   0  nothing yet
//   1  the right gripper touches the box
//   2  the right gripper holds it off everything else
//   3  the left gripper touches the lifted box
//   4  both left fingers hold it, and nothing else touches it: the right gripper has let go
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/mujoco_env/scene.h"

namespace roboimi::mujoco_env {

inline constexpr int kHighestStage = 4;
inline constexpr double kBoxHalfSize = 0.025;  // metres

// Where a box may stand at the start, metres and radians.
struct PlacementRange {
  double x_low = 0.02, x_high = 0.16;
  double y_low = -0.08, y_high = 0.08;
  double largest_yaw = 0.15;
};

struct BoxPlacement {
  double x = 0.0, y = 0.0;  // metres
  double yaw = 0.0;         // radians, about the vertical
};

// Drawn evenly from the range; a function of the seed alone.
BoxPlacement draw_placement(std::uint64_t seed);

// Puts both arms at kHome with open grippers and the box at its place, everything at rest. Nothing
// of an earlier episode remains (velocities, forces, the solver's warm start).
void start_episode(const Scene& scene, const BoxPlacement& placement, mjData* data);

// The stage that the contacts of `data` show now.
int current_stage(const Scene& scene, const mjData* data);

std::vector<std::string> transfer_stage_names();  // stage 0 first

}  // namespace roboimi::mujoco_env
