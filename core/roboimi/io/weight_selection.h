// Selects a model's tensors from a weight file and maps their names to the model's names.
//
//   const WeightNames names = {.model = "a ResNet", .expected = {"conv1.weight", "bn1.weight"}};
//   const WeightSelection selected = select_weights(file, names, "policy.ckpt");
//   selected.tensors.at("conv1.weight");   // "model.module.backbone.conv1.weight" in the file
//
// Names depend on the program that saved them. A policy adds the path of its encoder as a prefix;
// any such prefix is found with the names that the model is known to have. DistributedDataParallel,
// torch.compile and others insert their own words before or inside a name (module., _orig_mod.);
// these are removed everywhere.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/io/checkpoint_file.h"

namespace roboimi {

struct WeightNames {
  std::string model;                  // with an article, for errors: "a ResNet"
  std::vector<std::string> expected;  // some of the model's names, used to find the prefix
  // If not empty, only names that start with one of these belong to the model:
  // {"encoder.", "projector."}.
  std::vector<std::string> parts = {};
  // Converts a name, without its prefix, to the model's name for the same tensor.
  std::function<std::string(const std::string& name)> rename = {};
};

struct WeightSelection {
  std::string source;                         // the file, for errors
  std::map<std::string, at::Tensor> tensors;  // by the model's names
  std::map<std::string, std::string> names;   // the model's name -> the name in the file
  std::map<std::string, std::string> unread;  // CheckpointFile::unread, by the model's names
  std::vector<std::string> left_out;          // unused names in the file
  std::vector<std::string> prefixes;          // removed words: "_orig_mod.", "model."
  std::int64_t renamed = 0;                   // number of names that `rename` changed

  // The names in `wanted` that no tensor has.
  ROBOIMI_EXPORT std::vector<std::string> missing(const std::vector<std::string>& wanted) const;
};

// If several prefixes fit, prefers that of plain wrappers ("model." over "ema_model.") and logs the
// others. Throws Error if the file has no weights of the model, if several prefixes fit and none is
// plain (the user then sets the option `state_dict`), or if two tensors get the same name.
ROBOIMI_EXPORT WeightSelection select_weights(const CheckpointFile& file, const WeightNames& names,
                                              const std::string& source);

}  // namespace roboimi
