// A value together with its derivative along a direction.
#pragma once

#include <ATen/core/Tensor.h>

namespace roboimi::attnres {

// `tangent` belongs to the last J samples of `value`; it is undefined if there are none.
struct Dual {
  at::Tensor value;    // [B, T, D]
  at::Tensor tangent;  // [J, T, D], J <= B
};

}  // namespace roboimi::attnres
