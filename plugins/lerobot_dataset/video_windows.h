// Which frame of a video belongs to which row of an episode.
//
// A row's time in the video is the episode's start in the file plus the row's timestamp. Its frame
// is the one nearest to that time, within half a frame: the starts in episode tables are running
// sums of floats and drift. Every frame belongs to at most one row.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/error.h"

namespace roboimi::lerobot_dataset {

// The frames of a video file.
struct VideoTimes {
  std::filesystem::path file;
  std::vector<double> seconds;  // of every frame, ascending from 0
  double duration = 0.0;        // seconds
  double offset = 0.0;          // of the first frame, in seconds of the file's own clock
};

// An episode in a video file.
struct EpisodeWindow {
  std::int64_t episode = 0;
  double from = 0.0;               // seconds from the first frame, or on the file's own clock
  std::optional<double> to = {};   // unset: the end of the file
  std::vector<double> timestamps;  // of the rows, in seconds from the start of the episode
  bool is_selected = true;         // otherwise only its claim on frames counts
};

// The frame of every row of an episode.
struct RowFrames {
  std::int64_t first = 0;                 // frame of row 0
  std::vector<std::int64_t> frames = {};  // of every row; empty: first, first + 1, ...

  std::int64_t frame(std::int64_t row) const;
};

// A selected episode whose rows have no frames of their own.
struct PlacementFault {
  std::int64_t episode = 0;
  Error::Parts reason;
};

struct Placement {
  std::map<std::int64_t, RowFrames> episodes;  // the selected ones without a fault
  // If a row has no frame, if two rows need the same one, or if the windows of two episodes
  // overlap: then of both.
  std::vector<PlacementFault> faults;
  // A clause for each episode whose window does not hold as many frames as the episode has rows,
  // for example because the frames of a discarded take stayed in the video.
  std::vector<std::string> odd_windows;
  // Set if the first frame is not at 0 on the file's clock although the windows count from it.
  std::optional<double> offset_taken_off;
};

// Places the episodes of one file.
Placement place_episodes(const std::string& camera, double fps, const VideoTimes& video,
                         std::vector<EpisodeWindow> windows);

}  // namespace roboimi::lerobot_dataset
