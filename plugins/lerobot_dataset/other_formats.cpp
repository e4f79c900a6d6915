#include "plugins/lerobot_dataset/other_formats.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <vector>

#include "roboimi/common/text.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

bool is_hdf5_name(const fs::path& file) {
  std::string extension = file.extension().string();
  std::ranges::transform(extension, extension.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension == ".hdf5" || extension == ".h5";
}

// "episode_12.hdf5"
bool is_episode_name(const fs::path& file) {
  constexpr std::string_view kBegin = "episode_";
  const std::string stem = file.stem().string();
  return is_hdf5_name(file) && stem.starts_with(kBegin) && stem.size() > kBegin.size() &&
         std::ranges::all_of(stem.substr(kBegin.size()),
                             [](unsigned char c) { return std::isdigit(c) != 0; });
}

std::string read_by(const char* component, const fs::path& path) {
  return fmt::format("read it with data={} data.path={}", component, path.string());
}

}  // namespace

OtherFormat other_format(const fs::path& path) {
  std::error_code ignored;
  std::vector<fs::path> entries;
  if (!fs::is_directory(path, ignored)) {
    entries.push_back(path);
  } else {
    for (const auto& entry : fs::directory_iterator(path, ignored)) entries.push_back(entry.path());
  }
  std::ranges::sort(entries);
  for (const fs::path& entry : entries) {
    const std::string name = entry.filename().string();
    if (name.starts_with('.') && name != ".zgroup") continue;
    const std::string shown = printable(name, 60);
    if (is_episode_name(entry)) return {shown + " (ACT's layout)", read_by("hdf5", path)};
    if (is_hdf5_name(entry)) {
      return {shown + " (robomimic's layout, or another HDF5 file)", read_by("robomimic", entry)};
    }
    if (name == ".zgroup" || name == "zarr.json") {
      return {shown + " (a zarr store)", read_by("zarr", path)};
    }
    if (name.ends_with(".zarr") || name.ends_with(".zarr.zip")) {
      return {shown + " (a zarr store)", read_by("zarr", entry)};
    }
  }
  return {};
}

}  // namespace roboimi::lerobot_dataset
