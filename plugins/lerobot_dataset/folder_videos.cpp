// The part of LerobotFolder that finds the episodes in the videos.
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "plugins/lerobot_dataset/folder_listing.h"
#include "plugins/lerobot_dataset/lerobot_folder.h"
#include "roboimi/common/error.h"
#include "roboimi/io/video_reader.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kListedClauses = 3;          // episodes or files in a warning
constexpr std::int64_t kLongestClaim = 1'000'000;  // rows of an episode that only the table has

// The facts about a video file that need no decoding.
struct IndexedVideo {
  VideoTimes times;
  ImageSize size;
  std::optional<Error::Parts> error;
};

IndexedVideo index_video(const fs::path& file) {
  IndexedVideo video{.times = {.file = file}};
  try {
    const VideoReader reader(file);
    video.times.seconds = reader.times();
    video.times.duration = reader.duration();
    video.size = reader.size();
    video.times.offset = reader.offset();
  } catch (const Error& error) {
    video.error = error.parts();
  }
  return video;
}

std::vector<IndexedVideo> index_videos(const std::vector<fs::path>& files) {
  std::vector<IndexedVideo> videos(files.size());
  at::parallel_for(0, std::ssize(files), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      videos[i] = index_video(files[i]);
    }
  });
  return videos;
}

void require_video(const fs::path& file, std::int64_t episode, const std::string& camera) {
  if (can_be_found(file)) return;
  throw Error(
      {.what = fmt::format("the video of episode {} and camera '{}' is missing", episode, camera),
       .where = file.string(),
       .next = "download or copy it, leave the camera out of data.camera_names, or leave "
               "the episode out: data.episodes"});
}

void require_same_size(const IndexedVideo& video, const IndexedVideo& first,
                       const std::string& camera) {
  if (video.size == first.size) return;
  throw Error({.what = fmt::format("the videos of camera '{}' have different sizes", camera),
               .where = video.times.file.string(),
               .expected = fmt::format("{}x{}, as in {}", first.size.height, first.size.width,
                                       first.times.file.string()),
               .found = fmt::format("{}x{}", video.size.height, video.size.width),
               .next = "store episodes of different cameras in different datasets"});
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

// All episodes of the files in which a selected one is, by file.
std::map<fs::path, std::vector<EpisodeWindow>> LerobotFolder::windows_of(
    const std::string& feature) const {
  std::map<fs::path, std::vector<EpisodeWindow>> windows;
  if (!info_.is_v3) {
    for (const std::int64_t number : episodes_) {
      const PathFields fields{
          .numbers = {{"episode_index", number}, {"episode_chunk", number / info_.chunks_size}},
          .video_key = feature};
      const fs::path file = info_.folder() / info_.video_path.format(fields);
      require_video(file, number, feature);
      windows[file].push_back(
          {.episode = number, .timestamps = rows_.timestamps(rows_.episodes().at(number))});
    }
    return windows;
  }

  // The selected episodes determine which files are read.
  const std::set<std::int64_t> selected(episodes_.begin(), episodes_.end());
  for (const std::int64_t number : selected) {
    const auto entry = table_.episodes.find(number);
    if (entry == table_.episodes.end()) {
      throw Error({.what = fmt::format("episode {} is not in the episode table, so that its videos "
                                       "cannot be found",
                                       number),
                   .where = (info_.folder() / "meta" / "episodes").string(),
                   .expected = table_.files.empty() ? "chunk-000/file-000.parquet and so on"
                                                    : "a row for each episode of the data files",
                   .found = table_.files.empty() ? "no such file: the recording was not closed, "
                                                   "or the files were not copied"
                                                 : "none",
                   .next = "restore the table, or leave the episode out: data.episodes"});
    }
    const fs::path file = info_.folder() / entry->second.windows.at(feature).file;
    require_video(file, number, feature);
    windows[file];
  }
  for (const auto& [number, entry] : table_.episodes) {
    const VideoWindow& window = entry.windows.at(feature);
    const auto file = windows.find(info_.folder() / window.file);
    if (file == windows.end()) continue;
    EpisodeWindow added{.episode = number, .from = window.from, .to = window.to};
    added.is_selected = selected.contains(number);
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

void LerobotFolder::place_videos(Findings& findings) {
  std::vector<std::string> offsets;
  for (const CameraFeature& camera : features_.cameras) {
    if (camera.feature.dtype != "video") continue;
    const std::string& feature = camera.feature.name;
    auto windows = windows_of(feature);
    std::vector<fs::path> files;
    for (const auto& [file, episodes] : windows) files.push_back(file);
    std::vector<IndexedVideo> videos = index_videos(files);

    // Place the episodes file by file.
    CameraVideos& placed = videos_[feature];
    std::vector<std::string> odd_windows;
    for (const IndexedVideo& video : videos) {
      if (video.error) throw Error(*video.error);
      require_same_size(video, videos.front(), camera.stream);
      Placement placement = place_episodes(camera.stream, info_.fps, video.times,
                                           std::move(windows.at(video.times.file)));
      for (auto& [number, frames] : placement.episodes) {
        placed.file_of[number] = video.times.file;
        placed.frames_of[number] = std::move(frames);
      }
      for (const std::string& odd : placement.odd_windows) {
        odd_windows.push_back(odd + " in " + video.times.file.string());
      }
      if (placement.offset_taken_off) {
        offsets.push_back(fmt::format("{} begins at {:.6g} s", video.times.file.string(),
                                      *placement.offset_taken_off));
      }
    }
    placed.size = videos.front().size;
    if (!odd_windows.empty()) {
      findings.warn(fmt::format("camera '{}': {}", camera.stream, shortened(odd_windows)));
    }
  }
  if (!offsets.empty()) {
    findings.warn("the first frame of a video is taken as its time 0: " + shortened(offsets));
  }
}

}  // namespace roboimi::lerobot_dataset
