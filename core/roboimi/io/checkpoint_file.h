// Any file that holds weights: safetensors, and what torch.save wrote (state_dict, Lightning
// checkpoint, whole pickled module). Nothing in a file is ever executed.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "roboimi/common/export.h"

namespace roboimi {

struct CheckpointFile {
  std::string layout;                         // "safetensors", "state_dict", "lightning", "module"
  std::map<std::string, at::Tensor> tensors;  // names as in the file (a module's: dotted path)
  std::map<std::string, std::string> metadata;  // of safetensors
  std::vector<std::string> other_contents;      // "hyper_parameters: dict of 12", "callbacks: ..."
  std::string sha256;                           // of the file
};

ROBOIMI_EXPORT CheckpointFile read_checkpoint_file(const std::filesystem::path& path);

}  // namespace roboimi
