// Any file that holds weights: safetensors, and what torch.save wrote (state_dict, Lightning
// checkpoint, whole pickled module). Nothing in a file is ever executed.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
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

// The format is told by the contents, not by the name. A tensor may be strided, share its memory
// with another, or be a read-only view of the file (safetensors.h): clone() before writing to one.
// Error: no such file, a folder, damaged, a format that is not understood (says how to convert), no
// weights.
ROBOIMI_EXPORT CheckpointFile read_checkpoint_file(const std::filesystem::path& path);

// NaNs and infinities in a tensor; 0 for integers.
ROBOIMI_EXPORT std::int64_t count_not_finite(const at::Tensor& tensor);

}  // namespace roboimi
