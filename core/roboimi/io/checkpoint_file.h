// Any file that holds weights: safetensors, and what torch.save wrote (state_dict, Lightning
// checkpoint, whole pickled module), also in shards. Nothing in a file is ever executed.
//
//   const CheckpointFile file = read_checkpoint_file("resnet18.pth");
//   const CheckpointFile average = read_checkpoint_file("workspace.ckpt", "state_dicts.ema_model");
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
  std::string layout;  // "safetensors", "state_dict", "lightning", "module", "state_dicts"
  std::map<std::string, at::Tensor> tensors;    // names as in the file (a module's: dotted path)
  std::map<std::string, std::string> metadata;  // of safetensors
  std::vector<std::string> other_contents;      // "hyper_parameters: dict of 12", "callbacks: ..."
  std::string sha256;                           // of the file; of a list of shards: of all of them
  // Tensors that are there and cannot be made here: name -> "quantized", "of dtype F4".
  std::map<std::string, std::string> unread = {};
  // Where in the file `tensors` come from ("state_dicts.model"); empty: from its top, or from
  // several places, which then stand before the names.
  std::string state_dict = {};
  std::vector<std::string> state_dicts = {};  // every place that holds named weights
};

// The format is told by the contents, not by the name. `path` may also be the index of a list of
// shards (model.safetensors.index.json), or the folder that holds one. `state_dict` chooses among
// several sets of weights: a place in the file, or what stands before their names. Without it, they
// are those under the key of Lightning or of common training scripts (state_dict,
// model_state_dict, model, module), or the only ones; of several others, all are given.
// A tensor may be strided, share its memory with another, or be a read-only view of the file
// (safetensors.h): clone() before writing to one.
// Error: no such file, a folder, damaged, a format that is not understood (says how to convert), no
// weights, no such `state_dict`, or another SHA-256 than FILE.sha256 beside it states (as sha256sum
// writes it).
ROBOIMI_EXPORT CheckpointFile read_checkpoint_file(const std::filesystem::path& path,
                                                   const std::string& state_dict = "");

// The same for somebody who looks at the file: that it holds no weights is no Error.
ROBOIMI_EXPORT CheckpointFile inspect_checkpoint_file(const std::filesystem::path& path,
                                                      const std::string& state_dict = "");

// NaNs and infinities in a tensor; 0 for integers.
ROBOIMI_EXPORT std::int64_t count_not_finite(const at::Tensor& tensor);

}  // namespace roboimi
