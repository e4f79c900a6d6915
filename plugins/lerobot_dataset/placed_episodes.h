// The episodes of a dataset that LerobotEpisodeWriter placed, as their tables describe them, each
// in a separate file: meta/episodes/chunk-000/file-NNN.parquet.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "plugins/lerobot_dataset/feature_stats.h"
#include "roboimi/contract/episode_writer.h"

namespace roboimi::lerobot_dataset {

// Where the files of an episode are. All are in chunk 0, since no two may have the same name.
std::filesystem::path table_path(const std::filesystem::path& folder, std::int64_t index);
std::filesystem::path rows_path(const std::filesystem::path& folder, std::int64_t index);
std::filesystem::path video_path(const std::filesystem::path& folder, const std::string& feature,
                                 std::int64_t index);

struct PlacedEpisode {
  std::int64_t length = 0;
  std::int64_t from_index = 0;                     // its first row in the dataset
  std::map<std::string, FeatureStats> stats = {};  // by feature
};

// What meta/info.json and meta/stats.json say of all episodes together.
struct DatasetTotals {
  std::int64_t episodes = 0, rows = 0;
  std::map<std::string, FeatureStats> stats = {};  // by feature

  void add(const PlacedEpisode& episode);
};

// Whether the file begins like a Parquet file, and not like an EpisodeArchive.
bool is_table(const std::filesystem::path& file);
// The seed and success of a placed episode, where known. They are key-value metadata of its table:
// LeRobot's recorder could not append to a dataset whose tables have other columns.
EpisodeHeader read_table_header(const std::filesystem::path& file);
// Empty for a table that another program wrote.
std::optional<EpisodeHeader> find_header(const parquet::Reader& table);
std::map<std::string, std::string> table_metadata(const EpisodeHeader& header);

class PlacedEpisodes {
 public:
  // Reads the tables of the folder that are new or changed since the last call. A table that cannot
  // be read counts as missing: its episode will be placed again.
  void update(const std::filesystem::path& folder);
  const std::map<std::int64_t, PlacedEpisode>& episodes() const { return episodes_; }
  // The totals with an episode that is added, or that replaces the one with its index. Adding one
  // after the last costs the same for any number of episodes.
  DatasetTotals totals_with(std::int64_t index, const PlacedEpisode& episode) const;
  // The first row of an episode with this index.
  std::int64_t first_row_of(std::int64_t index) const;

 private:
  struct Stamp {
    std::filesystem::file_time_type time = {};
    std::uintmax_t size = 0;
    bool operator==(const Stamp&) const = default;
  };
  void add_up();

  std::filesystem::path folder_;
  std::map<std::int64_t, Stamp> stamps_;
  std::map<std::int64_t, PlacedEpisode> episodes_;
  DatasetTotals totals_;                   // of episodes_, in their order
  std::map<std::int64_t, Stamp> counted_;  // stamps_ when totals_ was computed
};

}  // namespace roboimi::lerobot_dataset
