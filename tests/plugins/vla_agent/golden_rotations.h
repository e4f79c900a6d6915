// SciPy's rotations, from tests/golden/rotations.py.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <string>

#include "plugins/vla_agent/rotation.h"
#include "roboimi/io/safetensors.h"

namespace roboimi::vla_agent {

inline constexpr std::array kAllKinds = {
    RotationKind::kQuaternionWxyz, RotationKind::kQuaternionXyzw, RotationKind::kRotationVector,
    RotationKind::kRollPitchYaw};

// Double [N, ...] of the rotations called `name`: "states", "actions", "relative" or "special".
inline at::Tensor golden_rotation(const std::string& name, const std::string& representation) {
  static const TensorFile file =
      read_safetensors(ROBOIMI_SOURCE_DIR "/tests/golden/rotations.safetensors");
  return file.tensors.at(name + "." + representation).clone();
}

}  // namespace roboimi::vla_agent
