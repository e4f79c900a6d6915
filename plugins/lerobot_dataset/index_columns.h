// The columns of a data file that say which frame of which episode each row is. A row without a
// number in one of them belongs to no episode. The episode that lacks it has a fault.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "plugins/lerobot_dataset/info_file.h"
#include "roboimi/common/error.h"
#include "roboimi/io/parquet/reader.h"

namespace roboimi::lerobot_dataset {

struct IndexColumns {
  std::vector<std::int64_t> episodes = {}, frames = {};
  std::vector<std::int64_t> indices = {};  // column `index`; empty if there is none
  std::vector<double> timestamps = {};     // seconds
  std::vector<std::int64_t> tasks = {};    // empty without a task column
  std::vector<std::uint8_t> is_bad = {};   // rows that lack a number in one of the columns
  std::map<std::int64_t, Error::Parts> faults = {};  // the first one of each episode
  // Rows without episode_index that are no fault of the episodes beside them, such as all rows of
  // an episode, and the first of them.
  std::int64_t num_lost = 0, first_lost = 0;
};

// A row without episode_index is a fault of the episode before it if its frame follows, and of the
// episode behind it if its frame precedes. Throws Error if a column is missing, holds strings, or
// if no row has an episode_index.
IndexColumns read_index_columns(const parquet::Reader& reader, const InfoFile& info,
                                const std::string& task_column);

}  // namespace roboimi::lerobot_dataset
