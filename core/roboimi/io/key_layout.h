// The names of weights differ with who saved them. A layout is data that maps them to one set.
//
//   const KeyLayout layout = {.name = "example",
//                             .prefixes = {"module."},
//                             .kept = {"encoder."},
//                             .required = {"encoder.norm.weight"},
//                             .renamings = {{"encoder.layers.*.fc1.*",
//                             "encoder.layer.*.dense.*"}}};
//   rename_keys(layout, file.tensors, "model.ckpt").tensors
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

struct KeyLayout {
  std::string name;
  // Taken away from the front, in any order and as often as they come; the same words are also
  // taken away where they stand between dots ("encoder._orig_mod.norm") when they start with "_".
  std::vector<std::string> prefixes;
  std::vector<std::string> kept;      // after that, names that start otherwise are left out
  std::vector<std::string> required;  // names that a complete file has, after renaming
  // Pattern and replacement, dotted; `*` is one part and is carried over in order. First match
  // wins.
  std::vector<std::pair<std::string, std::string>> renamings;
};

struct RenamedKeys {
  std::map<std::string, at::Tensor> tensors;
  std::vector<std::string> left_out;  // names as in the file
  std::vector<std::string> missing;   // required names that no tensor has
  std::vector<std::string> prefixes;  // that were taken away
  bool renamed = false;               // whether a renaming was needed
};

// Error when two names become one.
ROBOIMI_EXPORT RenamedKeys rename_keys(const KeyLayout& layout,
                                       const std::map<std::string, at::Tensor>& tensors,
                                       const std::filesystem::path& path);

}  // namespace roboimi
