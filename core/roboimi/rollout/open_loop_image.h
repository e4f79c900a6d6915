// The images of an open-loop evaluation: one panel per action dimension with the policy's commands
// over the recorded actions of an episode.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/action_range.h"
#include "roboimi/contract/observation.h"
#include "roboimi/rollout/open_loop.h"

namespace roboimi {

struct OpenLoopCurves {
  std::string title;                    // one line above the panels
  at::Tensor commanded, recorded;       // [L, A], in the units of the data
  std::vector<std::string> names = {};  // of the dimensions; empty: "action 0", ...
  double control_hz = 0.0;              // 0 if unknown: the time axis is in steps
};

// uint8 [H, W, 3]. Throws Error unless both curves have the same size and at least one row.
ROBOIMI_EXPORT at::Tensor open_loop_image(const OpenLoopCurves& curves);

// "open_loop_NNN", with the index of an episode.
ROBOIMI_EXPORT std::string open_loop_image_name(std::int64_t episode);

// Writes open_loop_image_name().png for each episode into `folder`, which is created.
ROBOIMI_EXPORT void write_open_loop_images(const std::filesystem::path& folder,
                                           const OpenLoopError& error, const ActionRange& range,
                                           const ObservationSpec& spec);

}  // namespace roboimi
