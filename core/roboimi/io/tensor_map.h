// A module's tensors by name, and the strict way back.
#pragma once

#include <torch/nn/module.h>

#include <map>
#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

using TensorMap = std::map<std::string, at::Tensor>;

// Every parameter and buffer of the module by registered name (buffers that are not defined are
// left out). The tensors are the module's own.
ROBOIMI_EXPORT TensorMap tensors_of(const torch::nn::Module& module);

// Copies `tensors` into the module, in place. All names must be there, none too many, all shapes
// and dtypes equal; otherwise nothing is copied and an Error lists what is missing, unexpected and
// misshapen. `where` names the file in it.
ROBOIMI_EXPORT void load_tensors_strictly(torch::nn::Module& module, const TensorMap& tensors,
                                          const std::string& where);

// target.copy_(tensors[name]); Error when it is missing, or differs in shape or dtype.
ROBOIMI_EXPORT void copy_from(const TensorMap& tensors, const std::string& name, at::Tensor target);

}  // namespace roboimi
