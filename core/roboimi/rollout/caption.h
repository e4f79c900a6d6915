// The caption below the frames of a rollout's video and its trajectory image. Internal to rollout.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "roboimi/common/export.h"
#include "roboimi/io/image.h"

namespace roboimi {

inline constexpr std::int64_t kCaptionHeight = 64;  // pixels
inline constexpr Rgb kSuccessColor{22, 130, 80};
inline constexpr Rgb kFailureColor{190, 38, 52};
inline constexpr Rgb kCaptionColor{24, 26, 31};  // the background

struct RolloutCaption {
  std::uint64_t seed = 0;
  std::int64_t step = 0, max_steps = 0;
  double reward = 0.0;          // of the last step
  double highest_reward = 0.0;  // of all steps
  double max_reward = 0.0;      // that a step can have
  std::string stage = {};       // name of the highest stage reached; empty: unknown
  bool success = false;         // so far
  bool is_over = false;
};

// Two lines of text and, once the outcome is known, SUCCESS or FAILED: uint8 [kCaptionHeight,
// width, 3].
ROBOIMI_EXPORT at::Tensor caption_bar(const RolloutCaption& caption, std::int64_t width);

}  // namespace roboimi
