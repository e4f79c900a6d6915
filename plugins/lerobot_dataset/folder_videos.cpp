// The part of LerobotFolder that finds the episodes in the videos.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "plugins/lerobot_dataset/folder_listing.h"
#include "plugins/lerobot_dataset/lerobot_folder.h"
#include "roboimi/common/error.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kListedClauses = 3;          // episodes or files in a warning
constexpr std::int64_t kLongestClaim = 1'000'000;  // rows of an episode that only the table has

void require_video(const fs::path& file, std::int64_t episode, const std::string& camera) {
  if (can_be_found(file)) return;
  throw Error(
      {.what = fmt::format("the video of episode {} and camera '{}' is missing", episode, camera),
       .where = file.string(),
       .next = "download or copy it, leave the camera out of data.camera_names, or leave "
               "the episode out: data.episodes, or data.unreadable=skip"});
}

// The error of a video whose size differs from that of the first one.
std::optional<Error::Parts> size_error(const IndexedVideo& video, const IndexedVideo& first,
                                       const std::string& camera) {
  if (video.size == first.size) return std::nullopt;
  return Error::Parts{.what = fmt::format("the videos of camera '{}' have different sizes", camera),
                      .where = video.times.file.string(),
                      .expected = fmt::format("{}x{}, as in {}", first.size.height,
                                              first.size.width, first.times.file.string()),
                      .found = fmt::format("{}x{}", video.size.height, video.size.width),
                      .next = "store episodes of different cameras in different datasets"};
}

// "a; b; c; and 12 more"
std::string shortened(std::vector<std::string> clauses) {
  const std::size_t count = clauses.size();
  if (count > kListedClauses) {
    clauses.resize(kListedClauses);
    clauses.push_back(fmt::format("and {} more", count - kListedClauses));
  }
  return fmt::format("{}", fmt::join(clauses, "; "));
}

}  // namespace

// The video of an episode, which exists.
fs::path LerobotFolder::video_of(std::int64_t number, const std::string& feature) const {
  fs::path file;
  if (!info_.is_v3) {
    const PathFields fields{
        .numbers = {{"episode_index", number}, {"episode_chunk", number / info_.chunks_size}},
        .video_key = feature};
    file = info_.folder() / info_.video_path.format(fields);
  } else {
    const auto entry = table_.episodes.find(number);
    const auto fail = [&](const std::string& what, const std::string& found) {
      throw Error({.what = fmt::format("episode {} {}", number, what),
                   .where = (info_.folder() / "meta" / "episodes").string(),
                   .expected = table_.files.empty() ? "chunk-000/file-000.parquet and so on"
                                                    : "a row for each episode of the data files",
                   .found = found,
                   .next = "restore the table, or leave the episode out: data.episodes, or "
                           "data.unreadable=skip"});
    };
    if (entry == table_.episodes.end()) {
      fail("is not in the episode table, so that its videos cannot be found",
           table_.files.empty() ? "no such file: the recording was not closed, or the files were "
                                  "not copied"
                                : "none");
    }
    const auto window = entry->second.windows.find(feature);
    if (window == entry->second.windows.end()) {
      fail(fmt::format("has no place in the videos of '{}' in the episode table", feature), "null");
    }
    file = info_.folder() / window->second.file;
  }
  require_video(file, number, feature);
  return file;
}

// All episodes of the files in which a selected one is, by file.
std::map<fs::path, std::vector<EpisodeWindow>> LerobotFolder::windows_of(
    const std::string& feature) {
  // The selected episodes determine which files are read.
  std::map<fs::path, std::vector<EpisodeWindow>> windows;
  std::map<std::int64_t, fs::path> file_of;
  for (const std::int64_t number : episodes_) {
    try {
      file_of[number] = video_of(number, feature);
      windows[file_of[number]];
    } catch (const Error& error) {
      refuse(number, error.parts());
    }
  }
  if (!info_.is_v3) {
    for (const auto& [number, file] : file_of) {
      windows[file].push_back(
          {.episode = number, .timestamps = rows_.timestamps(rows_.episodes().at(number))});
    }
    return windows;
  }

  for (const auto& [number, entry] : table_.episodes) {
    const auto window = entry.windows.find(feature);
    if (window == entry.windows.end()) continue;
    const auto file = windows.find(info_.folder() / window->second.file);
    if (file == windows.end()) continue;
    EpisodeWindow added{.episode = number, .from = window->second.from, .to = window->second.to};
    added.is_selected = file_of.contains(number);
    const auto rows = rows_.episodes().find(number);
    if (rows != rows_.episodes().end() && !rows->second.fault) {
      added.timestamps = rows_.timestamps(rows->second);
    } else {
      const std::int64_t length = std::min(entry.length.value_or(0), kLongestClaim);
      for (std::int64_t row = 0; row < length; ++row) {
        added.timestamps.push_back(static_cast<double>(row) / info_.fps);
      }
    }
    file->second.push_back(std::move(added));
  }
  return windows;
}

// Refuses the selected episodes of a video that cannot be used.
void LerobotFolder::refuse_video(const std::vector<EpisodeWindow>& windows,
                                 const Error::Parts& error) {
  for (const EpisodeWindow& window : windows) {
    if (!window.is_selected) continue;
    Error::Parts reason = error;
    if (skips_) {
      reason.what = fmt::format("episode {} cannot be read: {}", window.episode, error.what);
    }
    refuse(window.episode, reason);
  }
}

std::vector<std::string> LerobotFolder::place_videos(IndexedVideos& indexed) {
  std::vector<std::string> warnings, offsets;
  for (const CameraFeature& camera : features_.cameras) {
    if (camera.feature.dtype != "video") continue;
    auto windows = windows_of(camera.feature.name);
    std::vector<fs::path> files;
    for (const auto& [file, episodes] : windows) files.push_back(file);
    index_videos(files, indexed);

    // Place the episodes file by file.
    CameraVideos placed;
    const IndexedVideo* first = nullptr;  // with an episode
    std::vector<std::string> odd_windows;
    for (auto& [file, episodes] : windows) {
      const IndexedVideo& video = indexed.at(file);
      std::optional<Error::Parts> error = video.error;
      if (!error && first != nullptr) error = size_error(video, *first, camera.stream);
      if (error) {
        refuse_video(episodes, *error);
        continue;
      }
      Placement placement =
          place_episodes(camera.stream, info_.fps, video.times, std::move(episodes));
      for (const PlacementFault& fault : placement.faults) refuse(fault.episode, fault.reason);
      if (placement.episodes.empty()) continue;
      if (first == nullptr) first = &video;
      for (auto& [number, frames] : placement.episodes) {
        placed.file_of[number] = file;
        placed.frames_of[number] = std::move(frames);
      }
      for (const std::string& odd : placement.odd_windows) {
        odd_windows.push_back(odd + " in " + file.string());
      }
      if (placement.offset_taken_off) {
        offsets.push_back(
            fmt::format("{} begins at {:.6g} s", file.string(), *placement.offset_taken_off));
      }
    }
    if (first != nullptr) placed.size = first->size;
    videos_[camera.feature.name] = std::move(placed);
    if (!odd_windows.empty()) {
      warnings.push_back(fmt::format("camera '{}': {}", camera.stream, shortened(odd_windows)));
    }
  }
  if (!offsets.empty()) {
    warnings.push_back("the first frame of a video is taken as its time 0: " + shortened(offsets));
  }
  return warnings;
}

}  // namespace roboimi::lerobot_dataset
