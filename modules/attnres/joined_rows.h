// Vertical concatenation of matrices, without a copy if they are already adjacent in memory.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace roboimi::attnres {

// parts: contiguous [N_i, K] of the same dtype and device -> [sum of N_i, K]; differentiable. If
// all parts are in one storage and each begins where the one before ends, like a trainer's flat
// parameters, the result is a view of them: do not write to it.
at::Tensor joined_rows(const std::vector<at::Tensor>& parts);

}  // namespace roboimi::attnres
