// Copies the weights of another program's file into a model, strictly.
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
  std::string next;   // what the user may do where they do not fit
  // Names that a file may lack; the tensors then stay as they are.
  std::function<bool(const std::string& name)> may_be_missing = {};
};

// Fills `targets`, a model's own tensors, in place. Any real type fits another. Error
// that lists missing, unexpected and misshapen names; and for NaN and infinity, with the tensor and
// how many, because the weights of a training that diverged serve for nothing. Nothing is copied
// then.
ROBOIMI_EXPORT void load_foreign_weights(std::map<std::string, at::Tensor> targets,
                                         const WeightSelection& weights, const ForeignWeights& how);

}  // namespace roboimi
