// Weights that lie in several files: shards with an index, and layouts that only PyTorch reads.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace roboimi {

// model.safetensors.index.json, or pytorch_model.bin.index.json.
struct ShardIndex {
  std::filesystem::path file;
  std::map<std::filesystem::path, std::vector<std::string>> shards;  // -> the tensors taken from it
};

// For an index file, or a folder that holds one; empty for anything else. Error: no weight_map, a
// shard outside the folder, a shard that is missing.
std::optional<ShardIndex> find_shard_index(const std::filesystem::path& path);

// Error for a folder, and for a file that is one part of a distributed checkpoint or of an unpacked
// archive: says what it is and how to make one file of it.
void refuse_parts_of_a_checkpoint(const std::filesystem::path& path);

}  // namespace roboimi
