#include "plugins/hdf5_dataset/episode_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "plugins/hdf5_dataset/robomimic_layout.h"
#include "roboimi/common/error.h"

namespace roboimi::hdf5_dataset {
namespace {

namespace fs = std::filesystem;

constexpr char kLayout[] =
    "episode_0.hdf5, episode_1.hdf5, ... with /observations/qpos, /observations/images/CAMERA and "
    "/action";
constexpr std::size_t kShownNames = 3;

// "NAME.hdf5" or "NAME.h5", in letters of either case.
bool is_hdf5_name(const fs::path& file) {
  std::string extension = file.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension == ".hdf5" || extension == ".h5";
}

// N of "episode_N.hdf5" or "episode_N.h5".
std::optional<std::int64_t> episode_number(const fs::path& file) {
  constexpr std::string_view kPrefix = "episode_";
  const std::string stem = file.stem().string();
  if (!is_hdf5_name(file) || !stem.starts_with(kPrefix)) return std::nullopt;
  std::int64_t number = 0;
  const char* const end = stem.data() + stem.size();
  const auto parsed = std::from_chars(stem.data() + kPrefix.size(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return number;
}

// The names that are not hidden, sorted.
std::vector<fs::path> visible_entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!entry.path().filename().string().starts_with(".")) entries.push_back(entry.path());
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

// The files episode_N.hdf5, ordered by N.
std::vector<std::pair<std::int64_t, fs::path>> numbered_episodes(const fs::path& folder) {
  std::vector<std::pair<std::int64_t, fs::path>> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (const auto number = episode_number(entry.path())) found.emplace_back(*number, entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

bool holds_episodes(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) return false;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (episode_number(entry.path())) return true;
  }
  return false;
}

std::string listed(const std::vector<fs::path>& paths) {
  std::vector<std::string> names;
  for (const fs::path& path : paths) {
    if (names.size() == kShownNames) {
      names.emplace_back("...");
      break;
    }
    names.push_back(path.filename().string());
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

Error no_episodes(const fs::path& folder) {
  const std::vector<fs::path> entries = visible_entries(folder);
  Error::Parts parts = {.what = "the folder holds no episodes",
                        .where = folder.string(),
                        .expected = kLayout,
                        .found = fmt::format("{} entries with other names", entries.size()),
                        .next = "set data.path to the folder of the episodes"};
  if (!entries.empty()) parts.found += ": " + listed(entries);

  // Looks for the likely cause: another format, a subfolder with episodes, or other file names.
  std::vector<fs::path> others, folders;
  for (const fs::path& entry : entries) {
    if (is_hdf5_name(entry)) others.push_back(entry);
    if (holds_episodes(entry)) folders.push_back(entry);
  }
  if (const auto [format, next] = known_format(folder); !format.empty()) {
    parts.found = format;
    parts.next = next;
  } else if (!folders.empty()) {
    parts.next =
        fmt::format("the episodes are one folder below: data.path={}", folders.front().string());
  } else if (!others.empty() && is_robomimic_file(others.front())) {
    parts.found = fmt::format("robomimic's layout in {}", listed(others));
    parts.next = "read it with the component robomimic_dataset: data=robomimic data.path=" +
                 others.front().string();
  } else if (!others.empty()) {
    parts.found = fmt::format("HDF5 files with other names: {}", listed(others));
    parts.next =
        "rename them to episode_0.hdf5, episode_1.hdf5, ... if each holds one episode in "
        "that layout";
  }
  return Error(parts);
}

// Two files of one number may be copies of one episode. `files` are sorted by number.
void require_different_numbers(const std::vector<std::pair<std::int64_t, fs::path>>& files) {
  for (std::size_t i = 1; i < files.size(); ++i) {
    if (files[i].first != files[i - 1].first) continue;
    throw Error({.what = "two files have the same episode number",
                 .where = files[i].second.parent_path().string(),
                 .expected = "one file for each number",
                 .found = listed({files[i - 1].second, files[i].second}),
                 .next = "rename one of them, or remove it"});
  }
}

}  // namespace

FolderFormat known_format(const fs::path& folder) {
  const auto has = [&](const char* name) { return fs::exists(folder / name); };
  const std::string convert = "convert it to HDF5, in the layout of the plugin's README";
  const auto read_by = [&](const char* name) {
    return fmt::format("read it with data={} data.path={}", name, folder.string());
  };
  if (has("meta/info.json")) return {"a LeRobot dataset (meta/info.json)", read_by("lerobot")};
  if (has(".zgroup") || has("zarr.json")) return {"a zarr store", read_by("zarr")};
  if (has("dataset_info.json") || has("features.json")) return {"a TensorFlow dataset", convert};
  return {};
}

std::vector<std::string> episode_names(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& [number, file] : numbered_episodes(folder)) {
    names.push_back(file.filename().string());
  }
  return names;
}

std::vector<fs::path> episode_files(const fs::path& path, const EpisodeSelection& selection) {
  if (!fs::exists(path)) {
    throw Error({.what = "no such folder or file",
                 .where = path.string(),
                 .expected = std::string("a folder with ") + kLayout,
                 .next =
                     "set data.path to the folder of your episodes, or collect "
                     "demonstrations with: roboimi collect --config collect_sim_transfer.yaml"});
  }
  // All episodes, ordered by number.
  std::vector<std::pair<std::int64_t, fs::path>> found;
  if (!fs::is_directory(path)) {
    found.emplace_back(episode_number(path).value_or(0), path);
  } else {
    found = numbered_episodes(path);
  }
  if (found.empty()) throw no_episodes(path);
  require_different_numbers(found);
  // The selected ones.
  std::vector<std::int64_t> numbers;
  for (const auto& [number, file] : found) numbers.push_back(number);
  std::vector<fs::path> files;
  for (const std::size_t i : selection.positions_in(numbers, path.string())) {
    files.push_back(std::move(found[i].second));
  }
  return files;
}

}  // namespace roboimi::hdf5_dataset
