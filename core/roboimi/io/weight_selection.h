// Which of a file's tensors are a model's, and by what names the model knows them.
//
//   const WeightNames names = {.model = "a ResNet", .expected = {"conv1.weight", "bn1.weight"}};
//   const WeightSelection selected = select_weights(file, names, "policy.ckpt");
//   selected.tensors.at("conv1.weight");   // "model.module.backbone.conv1.weight" in the file
//
// Names differ with who saved them. A policy puts the path to its encoder before them: any such
// prefix is found by the names that the model is known to have. DistributedDataParallel,
// torch.compile and others put their own words before a name or inside it (module., _orig_mod.):
// those are taken away wherever they stand.
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
  std::vector<std::string> expected;  // names that its files have; they show which prefix is meant
  // Where given, only names that start so belong to the model: {"encoder.", "projector."}.
  std::vector<std::string> parts = {};
  // Another naming of the same tensors, applied to what is left of a name.
  std::function<std::string(const std::string& name)> rename = {};
};

struct WeightSelection {
  std::string source;                         // the file, for errors
  std::map<std::string, at::Tensor> tensors;  // by the model's names
  std::map<std::string, std::string> names;   // the model's name -> the one in the file
  std::map<std::string, std::string> unread;  // CheckpointFile::unread, by the model's names
  std::vector<std::string> left_out;          // names in the file, of other parts
  std::vector<std::string> prefixes;          // that were taken away: "_orig_mod.", "model."
  std::int64_t renamed = 0;                   // names that `rename` changed

  // Those of `names` that no tensor has.
  ROBOIMI_EXPORT std::vector<std::string> missing(const std::vector<std::string>& wanted) const;
};

// Where several prefixes fit, that of plain wrappers is taken ("model." rather than "ema_model."),
// and the log says which others there are. Error: nothing of the model, several prefixes of which
// none is plain (choose with the option `state_dict`), two tensors of one name.
ROBOIMI_EXPORT WeightSelection select_weights(const CheckpointFile& file, const WeightNames& names,
                                              const std::string& source);

}  // namespace roboimi
