// The frames of a rollout's video: the overview, the images of the policy's cameras in a column
// beside it, and a caption below. Internal to rollout.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/observation.h"
#include "roboimi/rollout/caption.h"

namespace roboimi {

// The images of the policy's cameras, uint8 [H, W, 3], and their names.
using NamedImages = std::vector<std::pair<std::string, at::Tensor>>;

// The size of a frame for an overview of kFilmSize and cameras with images of `views`.
ROBOIMI_EXPORT ImageSize film_frame_size(const std::vector<ImageSize>& views);

// A frame of that size. When the episode is over, the overview gets a border in the outcome's
// color.
ROBOIMI_EXPORT at::Tensor film_frame(const at::Tensor& overview, const NamedImages& views,
                                     const RolloutCaption& caption);

}  // namespace roboimi
