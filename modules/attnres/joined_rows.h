// Matrices one above the other, without copying where they already lie so in memory.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace roboimi::attnres {

// parts [N_i, K], contiguous, of one dtype and device -> [sum of N_i, K]; differentiable. Where
// each part begins at the end of the one before, in one storage, as a trainer's flat parameters do,
// the result is a view of them: do not write to it.
at::Tensor joined_rows(const std::vector<at::Tensor>& parts);

}  // namespace roboimi::attnres
