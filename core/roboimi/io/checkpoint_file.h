// A reader for weight files of any common format: safetensors and torch.save (state_dict, Lightning
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
  std::map<std::string, at::Tensor> tensors;    // names as in the file (of a module: dotted path)
  std::map<std::string, std::string> metadata;  // safetensors only
  std::vector<std::string> other_contents;      // "hyper_parameters: dict of 12", "callbacks: ..."
  std::string sha256;                           // of the file; with shards, of all of them together
  // Tensors in the file that cannot be read: name -> reason ("quantized", "of dtype F4").
  std::map<std::string, std::string> unread = {};
  // The place in the file that `tensors` come from ("state_dicts.model"). Empty: the top level, or
  // several places, each of which is then a prefix of the names.
  std::string state_dict = {};
  std::vector<std::string> state_dicts = {};  // every place that holds named weights
};

// Reads the weights in `path`. The format is detected from the contents, not from the name. `path`
// may also be a shard index (model.safetensors.index.json) or a folder with one.
//
// `state_dict` selects one of several sets of weights, by its place in the file or by the prefix of
// its names. If it is empty, the weights under the usual key of Lightning and training scripts
// (state_dict, model_state_dict, model, module) are read, or the only set of weights; if there are
// several other sets, all of them.
//
// A tensor may be strided, share its memory with another, or be a read-only view of the file
// (safetensors.h): clone() before writing to one.
//
// Throws Error for a missing file, a folder, a damaged file, an unsupported format (with conversion
// instructions), a file without weights, a missing `state_dict`, or a SHA-256 that differs from the
// one in a FILE.sha256 in the same folder (in the format of sha256sum).
ROBOIMI_EXPORT CheckpointFile read_checkpoint_file(const std::filesystem::path& path,
                                                   const std::string& state_dict = "");

// The same for inspecting a file: a file without weights is not an Error, and FILE.sha256 is not
// checked.
ROBOIMI_EXPORT CheckpointFile inspect_checkpoint_file(const std::filesystem::path& path,
                                                      const std::string& state_dict = "");

// The number of NaNs and infinities in a tensor; 0 for integers.
ROBOIMI_EXPORT std::int64_t count_not_finite(const at::Tensor& tensor);

}  // namespace roboimi
