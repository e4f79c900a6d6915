#include "roboimi/io/checkpoint_file.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/hash.h"
#include "roboimi/common/text.h"
#include "roboimi/io/checkpoint_folder.h"
#include "roboimi/io/pickled_weights.h"
#include "roboimi/io/readable_tensors.h"
#include "roboimi/io/torch_file.h"
#include "roboimi/io/torch_legacy.h"
#include "roboimi/io/weight_file_format.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

CheckpointFile from_safetensors(const fs::path& path) {
  ReadableTensors readable = read_readable_tensors(path);
  CheckpointFile result{.layout = "safetensors"};
  result.tensors = std::move(readable.file.tensors);
  result.metadata = std::move(readable.file.metadata);
  for (const auto& [name, dtype] : readable.unknown_dtypes) {
    result.unread[name] = "of dtype " + dtype;
  }
  return result;
}

// Reads one file of any format.
CheckpointFile read_one(const fs::path& path, const std::string& state_dict) {
  const WeightFileFormat format = weight_file_format(path);
  CheckpointFile result;
  if (format == WeightFileFormat::kSafetensors) {
    result = from_safetensors(path);
    if (!state_dict.empty() && !keep_under(result, state_dict)) {
      fail_state_dict(result, state_dict, path);
    }
  } else {
    const PickleGraph graph = format == WeightFileFormat::kTorchZip ? read_torch_file(path)
                                                                    : read_legacy_torch_file(path);
    result = weights_in(graph, state_dict, path);
  }
  result.sha256 = sha256_file(path);
  return result;
}

// Reads every tensor of an index from its shard.
CheckpointFile read_shards(const ShardIndex& index, const std::string& state_dict) {
  // Collect the tensors.
  CheckpointFile result;
  Sha256 hash;
  for (const auto& [shard, names] : index.shards) {
    CheckpointFile part = read_one(shard, "");
    hash.update_text(shard.filename().string()).update_text(part.sha256);
    for (const std::string& name : names) {
      const auto tensor = part.tensors.find(name);
      if (tensor != part.tensors.end()) {
        result.tensors.insert(*tensor);
      } else if (part.unread.contains(name)) {
        result.unread.insert(*part.unread.find(name));
      } else {
        throw Error({.what = "tensor '" + name + "' is not in the shard that the index names",
                     .where = shard.string(),
                     .next = "copy the shards and the index of the same model again"});
      }
    }
    result.layout = std::move(part.layout);
    result.metadata.merge(part.metadata);
  }
  // Select those of `state_dict`.
  result.sha256 = hash.hex();
  if (!state_dict.empty() && !keep_under(result, state_dict)) {
    fail_state_dict(result, state_dict, index.file);
  }
  return result;
}

// Throws if FILE.sha256 exists (as written by sha256sum) and does not match.
void check_stated_sum(const fs::path& path, const std::string& found) {
  const fs::path beside = path.string() + ".sha256";
  std::error_code error;
  if (!fs::is_regular_file(beside, error)) return;
  constexpr std::size_t kDigits = 64;
  const std::string stated = read_text(beside).substr(0, kDigits);
  if (stated == found) return;
  throw Error({.what = "the file does not match its SHA-256 checksum",
               .where = path.string(),
               .expected = "SHA-256 " + printable(stated) + ", as " + beside.filename().string() +
                           " states",
               .found = found,
               .next = "copy the file again, or delete the checksum if you changed the file"});
}

}  // namespace

CheckpointFile inspect_checkpoint_file(const fs::path& path, const std::string& state_dict) {
  if (const auto index = find_shard_index(path)) return read_shards(*index, state_dict);
  refuse_parts_of_a_checkpoint(path);
  return read_one(path, state_dict);
}

CheckpointFile read_checkpoint_file(const fs::path& path, const std::string& state_dict) {
  CheckpointFile file = inspect_checkpoint_file(path, state_dict);
  check_stated_sum(path, file.sha256);
  if (!file.tensors.empty()) return file;
  // No weights: list what the file contains instead.
  std::vector<std::string> found;
  for (const auto& [name, kind] : file.unread) found.push_back(name + ": tensor, " + kind);
  found.insert(found.end(), file.other_contents.begin(), file.other_contents.end());
  constexpr std::size_t kShown = 8;
  found.resize(std::min(found.size(), kShown));
  throw Error({.what = "the file holds no weights that can be read by name",
               .where = path.string(),
               .found = fmt::format("{}", fmt::join(found, ", ")),
               .next = "see what it holds: roboimi checkpoint inspect " + path.string()});
}

std::int64_t count_not_finite(const at::Tensor& tensor) {
  if (!tensor.is_floating_point() && !tensor.is_complex()) return 0;
  // isfinite does not support eight-bit types.
  const at::Tensor values = tensor.element_size() == 1 ? tensor.to(at::kFloat) : tensor;
  return tensor.numel() - at::isfinite(values).sum().item<std::int64_t>();
}

}  // namespace roboimi
