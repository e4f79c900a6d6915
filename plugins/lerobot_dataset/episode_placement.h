// The steps that add a written episode to a dataset. Each file appears complete or not at all.
//
//   EpisodePlacement placement(written, folder, 2, placed);
//   placement.write_videos();
//   placement.write_rows();      // with meta/tasks.parquet before
//   placement.write_totals();    // meta/stats.json and meta/info.json
//   placement.write_table();     // from here on the episode is in the dataset
//
// The files of an episode that was not placed completely are replaced when it is placed again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "plugins/lerobot_dataset/episode_archive.h"
#include "plugins/lerobot_dataset/placed_episodes.h"

namespace roboimi::lerobot_dataset {

class EpisodePlacement {
 public:
  // `placed`: the episodes of the folder. Throws Error if the episode does not match them:
  // different features, a different rate, or a different length from the episode that it replaces.
  EpisodePlacement(const std::filesystem::path& written, std::filesystem::path folder,
                   std::int64_t index, const PlacedEpisodes& placed);

  void write_videos() const;
  void write_rows() const;
  void write_totals() const;
  void write_table() const;

 private:
  void choose_place();
  void check_features() const;
  void choose_tasks();
  void add_stats_of_counters();
  void write_tasks() const;

  EpisodeArchive archive_;
  std::filesystem::path folder_;
  std::int64_t index_;
  const PlacedEpisodes& placed_;
  PlacedEpisode episode_;                   // this one
  Json features_;                           // of info.json
  std::vector<std::string> tasks_;          // of the dataset, by task_index
  std::vector<std::int64_t> task_indices_;  // of every row
  std::filesystem::path written_;
};

}  // namespace roboimi::lerobot_dataset
