// Functions for weights split over several files: shards with an index, and layouts that only
// PyTorch can read.
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
  std::map<std::filesystem::path, std::vector<std::string>> shards;  // file -> names of its tensors
};

// Reads an index file, or the one in a folder; nullopt for any other path. Throws Error if the
// weight_map is missing, or a shard is missing or outside the folder.
std::optional<ShardIndex> find_shard_index(const std::filesystem::path& path);

// Throws Error for a folder, and for a file that is part of a distributed checkpoint or of an
// unpacked archive. The message names the format and how to convert it to one file.
void refuse_parts_of_a_checkpoint(const std::filesystem::path& path);

}  // namespace roboimi
