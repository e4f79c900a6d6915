// The episode table of a dataset: meta/episodes/*/*.parquet (version 3) or meta/episodes.jsonl.
//
// Its entries about rows are only compared with the rows. It is needed to find an episode in the
// videos of version 3.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "plugins/lerobot_dataset/info_file.h"
#include "roboimi/common/error.h"
#include "roboimi/contract/episode_writer.h"

namespace roboimi::lerobot_dataset {

// Where an episode is in a camera's videos.
struct VideoWindow {
  std::filesystem::path file;     // relative to the dataset
  double from = 0.0;              // seconds
  std::optional<double> to = {};  // seconds; before version 3 unset: the end of the file
};

struct TableEpisode {
  std::optional<std::int64_t> length = {};
  std::optional<std::int64_t> from_index = {}, to_index = {};   // rows in the whole dataset
  std::optional<std::int64_t> data_chunk = {}, data_file = {};  // of version 3
  // By feature; version 3. Without those that have a null.
  std::map<std::string, VideoWindow> windows = {};
  std::optional<EpisodeHeader> header = {};  // of episodes that roboimi wrote
};

struct EpisodeTable {
  std::vector<std::filesystem::path> files = {};  // empty: there is no table
  std::map<std::int64_t, TableEpisode> episodes = {};
  std::optional<Error::Parts> error = {};  // of the first file that cannot be read
};

// Reads the windows of these video features as well. A folder without a table gives an empty one.
// Throws Error for a missing column and an episode that is listed twice.
EpisodeTable read_episode_table(const InfoFile& info,
                                const std::vector<std::string>& video_features);

}  // namespace roboimi::lerobot_dataset
