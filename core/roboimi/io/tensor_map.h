// Functions that get a module's tensors by name, and load them back strictly.
#pragma once

#include <torch/nn/module.h>

#include <map>
#include <string>

#include "roboimi/common/export.h"

namespace roboimi {

using TensorMap = std::map<std::string, at::Tensor>;

// Every parameter and buffer of the module by registered name, without undefined ones. The tensors
// are the module's own, not copies.
ROBOIMI_EXPORT TensorMap tensors_of(const torch::nn::Module& module);

// Copies `tensors` into the module's own tensors. Names, shapes and dtypes must match exactly;
// otherwise nothing is copied, and an Error lists all missing, unexpected and mismatched tensors.
// `where` names the file in the message.
ROBOIMI_EXPORT void load_tensors_strictly(torch::nn::Module& module, const TensorMap& tensors,
                                          const std::string& where);

// Copies the tensor `name` into `target`. Throws Error if it is missing or differs in shape or
// dtype.
ROBOIMI_EXPORT void copy_from(const TensorMap& tensors, const std::string& name, at::Tensor target);

}  // namespace roboimi
