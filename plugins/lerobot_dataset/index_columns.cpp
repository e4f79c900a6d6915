#include "plugins/lerobot_dataset/index_columns.h"

#include <fmt/format.h>

#include <algorithm>

#include "plugins/lerobot_dataset/data_column.h"

namespace roboimi::lerobot_dataset {
namespace {

using parquet::Reader;
using Flags = std::vector<std::uint8_t>;

constexpr char kEpisodes[] = "episode_index";
constexpr char kFrames[] = "frame_index";
constexpr char kIndices[] = "index";
constexpr char kTimestamps[] = "timestamp";

void require_column(const Reader& reader, const std::string& name) {
  if (reader.find(name) != nullptr) return;
  throw Error({.what = fmt::format("the data file has no column '{}'", name),
               .where = reader.file().string(),
               .expected = "the columns episode_index and frame_index of a LeRobot dataset",
               .next = "convert the dataset again"});
}

std::vector<std::int64_t> integers(const Reader& reader, const std::string& name, Flags& is_bad) {
  return DataColumn(reader, name, 0, reader.num_rows()).integers(is_bad);
}

// The error of a row that is marked as bad in a column.
Error::Parts fault_of(const Reader& reader, const std::string& name, std::size_t row,
                      std::int64_t episode) {
  Error::Parts parts;
  try {
    const DataColumn column(reader, name, static_cast<std::int64_t>(row), 1);
    name == kTimestamps ? static_cast<void>(column.numbers())
                        : static_cast<void>(column.integers());
  } catch (const Error& error) {
    parts = error.parts();
  }
  parts.what = fmt::format("episode {} cannot be read: {}", episode, parts.what);
  parts.next =
      "repair the data file, or leave the episode out: data.episodes, or data.unreadable=skip";
  return parts;
}

// Replaces the numbers of episodes that are marked as bad by those of the rows beside them.
void complete_episodes(const Reader& reader, const Flags& is_bad, const Flags& is_bad_frame,
                       IndexColumns& columns) {
  const std::size_t count = is_bad.size();
  // The next sound row of each row.
  std::vector<std::size_t> behind(count, count);
  for (std::size_t row = count; row-- > 0;) {
    behind[row] = is_bad[row] == 0 ? row : row + 1 < count ? behind[row + 1] : count;
  }
  if (count > 0 && behind[0] == count) {
    static_cast<void>(DataColumn(reader, kEpisodes, 0, 1).integers());
  }
  for (std::size_t row = 0; row < count; ++row) {
    if (is_bad[row] == 0) continue;
    const bool has_row_before = row > 0;
    const bool follows = has_row_before && (is_bad_frame[row] != 0 ||
                                            columns.frames[row] == columns.frames[row - 1] + 1);
    const bool takes_before = has_row_before && (follows || behind[row] == count);
    columns.episodes[row] = columns.episodes[takes_before ? row - 1 : behind[row]];
  }
}

}  // namespace

IndexColumns read_index_columns(const Reader& reader, const InfoFile& info,
                                const std::string& task_column) {
  IndexColumns columns;
  std::map<std::string, Flags> is_bad;  // by column
  require_column(reader, kEpisodes);
  require_column(reader, kFrames);
  columns.episodes = integers(reader, kEpisodes, is_bad[kEpisodes]);
  columns.frames = integers(reader, kFrames, is_bad[kFrames]);
  if (reader.find(kIndices) != nullptr) {
    columns.indices = integers(reader, kIndices, is_bad[kIndices]);
  }
  if (reader.find(kTimestamps) != nullptr) {
    const DataColumn column(reader, kTimestamps, 0, reader.num_rows());
    columns.timestamps = column.numbers(is_bad[kTimestamps]);
  } else {
    for (const std::int64_t frame : columns.frames) {
      columns.timestamps.push_back(static_cast<double>(frame) / info.fps);
    }
  }
  if (!task_column.empty()) {
    columns.tasks = integers(reader, task_column, is_bad[task_column]);
  }
  complete_episodes(reader, is_bad[kEpisodes], is_bad[kFrames], columns);

  // The faults, by episode.
  columns.is_bad.assign(columns.episodes.size(), 0);
  for (const auto& [name, flags] : is_bad) {
    for (std::size_t row = 0; row < flags.size(); ++row) {
      if (flags[row] == 0) continue;
      columns.is_bad[row] = 1;
      const std::int64_t episode = columns.episodes[row];
      if (columns.faults.contains(episode)) continue;
      columns.faults[episode] = fault_of(reader, name, row, episode);
    }
  }
  return columns;
}

}  // namespace roboimi::lerobot_dataset
