// What a policy sees, and the sizes it was made for.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

// Camera name -> RGB frames, uint8, channels last: [H, W, 3] for one, [B, T, H, W, 3] for a batch.
using Images = std::map<std::string, at::Tensor>;

struct ImageSize {
  std::int64_t height = 0;  // pixels
  std::int64_t width = 0;   // pixels
  bool operator==(const ImageSize&) const = default;
};

// The sizes that a dataset or an environment gives, and that an agent is built for.
struct ObservationSpec {
  std::vector<std::string> camera_names;    // in the order of data.camera_names
  std::map<std::string, ImageSize> images;  // every name above
  std::int64_t state_dim = 0;               // S
  std::int64_t action_dim = 0;              // A
  std::int64_t env_state_dim = 0;           // E; 0 when not recorded
  double control_hz = 0.0;                  // 0 when unknown

  // Says what differs, in words; empty when a policy for *this can act on `other`.
  ROBOIMI_EXPORT std::string difference(const ObservationSpec& other) const;
};

// One control step's observation. `images` may be empty where the agent said that it will not look.
struct Observation {
  Images images;         // camera -> uint8 [H, W, 3]
  at::Tensor state;      // float [S], as recorded (radians, metres, gripper opening 0..1)
  at::Tensor velocity;   // float [S] per second, or undefined; recorded, never shown to a policy
  at::Tensor env_state;  // float [E], or undefined; privileged
};

// Windows for training. Numbers are raw; the agent normalises.
struct Batch {
  Images images;  // camera -> uint8 [B, T, H, W, 3]; empty when `features` is defined
  at::Tensor
      features;      // float [B, T, V]: cached visual features of a frozen backbone, or undefined
  at::Tensor state;  // float [B, T, S]
  at::Tensor env_state;  // float [B, T, E], or undefined
  at::Tensor actions;    // float [B, H, A]
  at::Tensor is_pad;     // bool [B, H]: true outside the episode
};

}  // namespace roboimi
