// Where the rows of each episode are: an index of all data files by their columns episode_index and
// frame_index. A row belongs to the episode that its episode_index names and is frame frame_index
// of it, regardless of the episode table.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plugins/lerobot_dataset/index_columns.h"
#include "plugins/lerobot_dataset/info_file.h"
#include "roboimi/common/error.h"

namespace roboimi::lerobot_dataset {

struct DataFile {
  std::filesystem::path path;
  PathFields fields = {};                  // its numbers, from the name
  std::optional<Error::Parts> error = {};  // why it cannot be read
  std::vector<double> timestamps = {};     // of every row, in seconds
  std::vector<std::int64_t> tasks = {};    // of every row; empty without a task column
  std::set<std::string> missing = {};      // features that have no column
  std::int64_t num_lost = 0;               // rows of unknown episodes, see IndexColumns
  std::int64_t first_lost = 0;             // the first of them
};

// Rows of one file that are consecutive frames of an episode.
struct Run {
  std::size_t file = 0;
  std::int64_t row = 0;    // the first row, in the file
  std::int64_t frame = 0;  // the first frame, in the episode
  std::int64_t count = 0;
};

// A frame whose column `index` does not follow that of the frame before.
struct IndexGap {
  std::int64_t frame = 0, before = 0, found = 0;
};

struct EpisodeRows {
  std::vector<Run> runs = {};                    // by frame
  std::int64_t length = 0;                       // rows
  std::optional<std::int64_t> first_index = {};  // column `index` of the first frame
  std::optional<IndexGap> gap = {};              // the first one found
  // The first row that it lacks because of an index column without a number. Such rows are in no
  // run.
  std::optional<Error::Parts> fault = {};
};

class RowIndex {
 public:
  // Reads the index columns of all data files that have the form of info.data_path, and of
  // `task_column` if it is not empty. A file that cannot be read is listed with its error.
  RowIndex(const InfoFile& info, const std::string& task_column);

  const std::vector<DataFile>& files() const { return files_; }
  const std::map<std::int64_t, EpisodeRows>& episodes() const { return episodes_; }
  std::int64_t num_rows() const { return num_rows_; }
  bool has_lost_rows() const;
  // The file of the first frame.
  const std::filesystem::path& file_of(const EpisodeRows& rows) const;

  // Throws Error if the episode has a fault, and unless its frames are 0, 1, ..., each once, and
  // their timestamps are those frames' at `fps`, within half a frame.
  void check(std::int64_t episode, double fps) const;
  // Seconds from the start of the episode, per frame.
  std::vector<double> timestamps(const EpisodeRows& rows) const;
  // Frees timestamps and tasks, once they are no longer needed.
  void drop_columns();

 private:
  void add_rows(std::size_t file, const IndexColumns& columns);

  std::vector<DataFile> files_;
  std::map<std::int64_t, EpisodeRows> episodes_;
  std::int64_t num_rows_ = 0;
};

}  // namespace roboimi::lerobot_dataset
