#include "app/data_format.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <string_view>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/common/text.h"

namespace roboimi::app {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostListed = 5;  // names in an error

bool is_data_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

bool is_data_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// Names of a folder's entries in order, without hidden ones. Empty if it cannot be read.
std::vector<std::string> visible_names(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error); entry != fs::directory_iterator();
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with('.')) names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

// "NAME.hdf5" or "NAME.h5", in letters of either case.
bool is_hdf5_name(const std::string& name) {
  std::string extension = fs::path(name).extension().string();
  std::ranges::transform(extension, extension.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension == ".hdf5" || extension == ".h5";
}

// "episode_12.hdf5"
bool is_episode_name(const std::string& name) {
  constexpr std::string_view kBegin = "episode_";
  if (!name.starts_with(kBegin) || !is_hdf5_name(name)) return false;
  const std::string number = fs::path(name).stem().string().substr(kBegin.size());
  return !number.empty() &&
         std::ranges::all_of(number, [](unsigned char c) { return std::isdigit(c) != 0; });
}

// Also if meta/ cannot be searched: the component names the folder and the reason.
bool looks_like_lerobot(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path / "meta" / "info.json", error);
  return fs::is_regular_file(status) ||
         (error == std::errc::permission_denied && is_data_folder(path / "meta"));
}

bool looks_like_zarr(const fs::path& path) {
  if (is_data_file(path)) return path.filename().string().ends_with(".zip");
  return is_data_file(path / ".zgroup") || is_data_folder(path / "meta" / "episode_ends");
}

bool looks_like_act(const fs::path& path) {
  if (is_data_file(path)) return is_episode_name(path.filename().string());
  return std::ranges::any_of(visible_names(path), is_episode_name);
}

bool looks_like_robomimic(const fs::path& path) {
  const std::string name = path.filename().string();
  return is_data_file(path) && is_hdf5_name(name) && !is_episode_name(name);
}

struct DataFormat {
  const char* component;
  const char* files;  // for errors
  bool (*matches)(const fs::path& path);
};

constexpr DataFormat kDataFormats[] = {
    {"lerobot_dataset", "meta/info.json (LeRobot)", looks_like_lerobot},
    {"zarr_dataset", ".zgroup or a .zip archive (zarr)", looks_like_zarr},
    {"hdf5_dataset", "episode_0.hdf5 (ACT)", looks_like_act},
    {"robomimic_dataset", "one .hdf5 file (robomimic)", looks_like_robomimic},
};

std::optional<DetectedData> match_format(const fs::path& path) {
  for (const DataFormat& format : kDataFormats) {
    if (format.matches(path)) return DetectedData{.component = format.component, .path = path};
  }
  return std::nullopt;
}

std::string listed_names(const std::vector<std::string>& names) {
  std::vector<std::string> shown;
  for (const std::string& name : names) {
    if (shown.size() == kMostListed) break;
    shown.push_back(printable(name, 60));
  }
  return names.empty() ? "an empty folder"
                       : fmt::format("{}{}", fmt::join(shown, ", "),
                                     names.size() > kMostListed ? ", ..." : "");
}

// Files of one episode each are one dataset, but only under ACT's names.
std::string next_for_several(const std::vector<DetectedData>& found) {
  const bool are_files = std::ranges::all_of(found, [](const DetectedData& data) {
    return data.component == std::string_view("robomimic_dataset");
  });
  return are_files ? "name one of them; if each holds one episode in ACT's layout, rename them to "
                     "episode_0.hdf5, episode_1.hdf5, ..."
                   : "name one of them";
}

}  // namespace

DetectedData detect_data(const fs::path& path) {
  if (!is_data_file(path) && !is_data_folder(path)) {
    throw Error({.what = "there is no dataset",
                 .where = path.string(),
                 .expected = "a folder or a file",
                 .found = "nothing that can be read",
                 .next = "check the path"});
  }
  std::error_code unreadable;
  const fs::directory_iterator entries(path, unreadable);
  if (unreadable == std::errc::permission_denied) {
    throw Error({.what = "cannot read the folder: " + unreadable.message(),
                 .where = path.string(),
                 .next = "check its permissions"});
  }
  if (auto found = match_format(path)) return *found;

  // The only dataset in the folder.
  const std::vector<std::string> names = visible_names(path);
  std::vector<DetectedData> inside;
  std::vector<std::string> inside_names;
  for (const std::string& name : names) {
    if (auto found = match_format(path / name)) {
      inside.push_back(*found);
      inside_names.push_back(name);
    }
  }
  if (inside.size() == 1) return inside.front();
  // The cache of the Hugging Face hub.
  const fs::path snapshots = path / "snapshots";
  if (inside.empty() && is_data_folder(snapshots)) return detect_data(snapshots);
  if (inside.size() > 1) {
    throw Error({.what = "the folder holds several datasets",
                 .where = path.string(),
                 .expected = "the path of one",
                 .found = listed_names(inside_names),
                 .next = next_for_several(inside)});
  }
  std::vector<std::string> files;
  for (const DataFormat& format : kDataFormats) files.emplace_back(format.files);
  throw Error({.what = "the format of the data is not recognized",
               .where = path.string(),
               .expected = fmt::format("{}", fmt::join(files, ", ")),
               .found = is_data_file(path) ? "another file" : listed_names(names),
               .next = "name the component that reads it with --type"});
}

}  // namespace roboimi::app
