#include "roboimi/io/checkpoint_folder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/json_text.h"
#include "roboimi/common/text.h"
#include "roboimi/io/weight_file_format.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIndexEnding = ".index.json";

std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(folder)) entries.push_back(entry.path());
  std::sort(entries.begin(), entries.end());
  return entries;
}

// The index file: `path` itself, or the one in the folder, preferably the safetensors index.
std::optional<fs::path> index_file(const fs::path& path) {
  const auto is_index = [](const fs::path& file) {
    return file.filename().string().ends_with(kIndexEnding);
  };
  if (!fs::is_directory(path)) return is_index(path) ? std::optional(path) : std::nullopt;
  std::optional<fs::path> found;
  for (const fs::path& entry : entries_of(path)) {
    if (!is_index(entry)) continue;
    const bool safetensors = entry.filename().string().ends_with(".safetensors.index.json");
    if (!found || safetensors) found = entry;
  }
  return found;
}

// The folder with the unpacked contents of a torch.save file: `path`, or a folder in it.
std::optional<fs::path> unpacked_archive(const fs::path& path) {
  if (fs::exists(path / "data.pkl")) return path;
  for (const fs::path& entry : entries_of(path)) {
    if (fs::exists(entry / "data.pkl")) return entry;
  }
  return std::nullopt;
}

bool is_distributed(const fs::path& folder) {
  if (fs::exists(folder / ".metadata")) return true;
  const std::vector<fs::path> entries = entries_of(folder);
  return std::any_of(entries.begin(), entries.end(),
                     [](const fs::path& entry) { return entry.extension() == ".distcp"; });
}

// The path in single quotes, as a shell argument.
std::string shell_word(const fs::path& path) {
  std::string word = "'";
  for (const char c : path.string()) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

[[noreturn]] void refuse_distributed(const fs::path& path, const fs::path& folder) {
  refuse_weight_file(path, "a distributed checkpoint of PyTorch (.metadata and .distcp files)",
                     "convert it to one file on a machine with PyTorch: python -m "
                     "torch.distributed.checkpoint.format_utils dcp_to_torch " +
                         shell_word(folder) + " converted.pt");
}

[[noreturn]] void refuse_unpacked(const fs::path& path, const fs::path& folder) {
  const fs::path whole = fs::absolute(folder).lexically_normal();
  refuse_weight_file(path, "the unpacked contents of a torch.save file",
                     "pack it again: (cd " + shell_word(whole.parent_path()) +
                         " && zip -0 -r converted.pt " + shell_word(whole.filename()) + ")");
}

[[noreturn]] void refuse_folder(const fs::path& folder) {
  std::vector<std::string> files;
  for (const fs::path& entry : entries_of(folder)) {
    const std::string ending = entry.extension().string();
    if (ending == ".safetensors" || ending == ".pt" || ending == ".pth" || ending == ".ckpt" ||
        ending == ".bin") {
      files.push_back(printable(entry.filename().string()));
    }
  }
  throw Error({.what = "cannot read weights",
               .where = folder.string(),
               .expected = "a file, or a folder with a shard index (*.index.json)",
               .found = "a folder",
               .next = files.empty()
                           ? "name a weights file; this folder contains none"
                           : fmt::format("name the file inside it: {}", fmt::join(files, ", "))});
}

}  // namespace

std::optional<ShardIndex> find_shard_index(const fs::path& path) {
  // Read the index.
  const std::optional<fs::path> file = index_file(path);
  if (!file) return std::nullopt;
  ShardIndex index{.file = *file};
  using Json = nlohmann::json;
  const auto json = Json::parse(read_text(*file), is_shallow<Json>, /*allow_exceptions=*/false);
  const auto map = json.is_object() ? json.find("weight_map") : json.end();
  if (map == json.end() || !map->is_object() || map->empty()) {
    throw Error({.what = "not a shard index",
                 .where = file->string(),
                 .expected = "a weight_map with the file name of each tensor"});
  }
  // Collect the tensors of each shard; shards must be in the index's own folder.
  for (const auto& [name, shard] : map->items()) {
    const fs::path shard_name = shard.is_string() ? shard.get<std::string>() : "";
    if (shard_name.empty() || shard_name != shard_name.filename()) {
      throw Error({.what = "the index names no file for tensor '" + printable(name) + "'",
                   .where = file->string(),
                   .expected = "the name of a file in the same folder",
                   .found = printable(shard.dump(-1, ' ', true))});
    }
    index.shards[file->parent_path() / shard_name].push_back(name);
  }
  // Check that all shards exist.
  std::vector<std::string> missing;
  for (const auto& [shard, names] : index.shards) {
    if (!fs::exists(shard)) missing.push_back(printable(shard.filename().string()));
  }
  if (missing.empty()) return index;
  throw Error(
      {.what = fmt::format("{} of {} shards are missing", missing.size(), index.shards.size()),
       .where = file->string(),
       .expected = fmt::format("{} in the same folder", fmt::join(missing, ", ")),
       .next = "copy or download them, too"});
}

void refuse_parts_of_a_checkpoint(const fs::path& path) {
  if (fs::is_directory(path)) {
    if (is_distributed(path)) refuse_distributed(path, path);
    if (const auto folder = unpacked_archive(path)) refuse_unpacked(path, *folder);
    refuse_folder(path);
  }
  const fs::path folder = fs::absolute(path).parent_path();
  const bool exists = fs::exists(path);
  if (exists && (path.filename() == ".metadata" || path.extension() == ".distcp")) {
    refuse_distributed(path, folder);
  }
  if (exists && path.filename() == "data.pkl" && fs::exists(folder / "data")) {
    refuse_unpacked(path, folder);
  }
}

}  // namespace roboimi
