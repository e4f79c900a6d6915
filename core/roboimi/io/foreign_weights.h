// Strict loading of weights that another program saved into a model.
//
//   load_foreign_weights(tensors, select_weights(file, names, path),
//                        {.model = "the ResNet", .next = "set depth to the checkpoint's"});
#pragma once

#include <functional>
#include <map>
#include <string>

#include "roboimi/common/export.h"
#include "roboimi/io/weight_selection.h"

namespace roboimi {

struct ForeignWeights {
  std::string model;  // for errors: "the ResNet"
  std::string next;   // for errors: what the user can do if the weights do not fit
  // Names that may be missing in the file; those tensors are left unchanged.
  std::function<bool(const std::string& name)> may_be_missing = {};
};

// Copies the weights into `targets`, a model's own tensors. Real dtypes are converted. Throws Error
// that lists names that are missing or unexpected or whose shapes differ. Also throws Error that
// lists tensors with NaN or infinite values and their number, because weights of a diverged
// training are useless. In both cases nothing is copied.
ROBOIMI_EXPORT void load_foreign_weights(std::map<std::string, at::Tensor> targets,
                                         const WeightSelection& weights, const ForeignWeights& how);

}  // namespace roboimi
