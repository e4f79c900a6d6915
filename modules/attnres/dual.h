// A value and its derivative along a direction.
#pragma once

#include <ATen/core/Tensor.h>

namespace roboimi::attnres {

// `tangent` belongs to the last samples of `value`, and is undefined where there are none.
struct Dual {
  at::Tensor value;    // [B, T, D]
  at::Tensor tangent;  // [J, T, D], J <= B
};

}  // namespace roboimi::attnres
