// The trajectory image of a rollout: the paths of the tools over the last state, one color per arm,
// light at the start and dark at the end, with start, end and grasps marked. Internal to rollout.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/io/image.h"
#include "roboimi/rollout/caption.h"

namespace roboimi {

// The path of one tool in the image.
struct ToolPath {
  std::string name;
  std::vector<PixelPoint> points;   // one per state; not finite where it is not visible
  std::vector<std::size_t> grasps;  // indices of points
};

// The states, as indices, at which a grasp begins. A contact of fewer than three states is no
// grasp, and a loss of contact of fewer than five does not end one.
ROBOIMI_EXPORT std::vector<std::size_t> grasp_starts(const std::vector<bool>& holding);

// The names without the ending that they share: left_link7, right_link7 -> left, right.
ROBOIMI_EXPORT std::vector<std::string> short_names(std::vector<std::string> names);

// The color of a path at `time`, 0 (start) .. 1 (end).
ROBOIMI_EXPORT Rgb path_color(std::size_t arm, double time);
inline constexpr Rgb kGraspColor{255, 236, 61};

// The paths drawn over a faded `background`, uint8 [H, W, 3], with a caption and a legend below.
ROBOIMI_EXPORT at::Tensor trajectory_image(const at::Tensor& background,
                                           const std::vector<ToolPath>& paths,
                                           const RolloutCaption& caption);

}  // namespace roboimi
