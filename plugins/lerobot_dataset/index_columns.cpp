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

// Whether `row` may hold the frame before that of `next`.
bool may_precede(const IndexColumns& columns, const Flags& is_bad_frame, std::size_t row,
                 std::size_t next) {
  if (is_bad_frame[row] != 0 || is_bad_frame[next] != 0) return true;
  const std::int64_t frame = columns.frames[row], following = columns.frames[next];
  return following > frame && following - 1 == frame;
}

// Reports rows [begin, end), which have no episode, as missing in the episodes beside them, or as
// lost.
void add_lost_rows(const Reader& reader, std::size_t begin, std::size_t end,
                   const Flags& is_bad_frame, IndexColumns& columns) {
  const auto add_fault = [&](std::size_t row, std::int64_t episode) {
    if (!columns.faults.contains(episode)) {
      columns.faults[episode] = fault_of(reader, kEpisodes, row, episode);
    }
  };
  const bool ends_an_episode = begin > 0 && may_precede(columns, is_bad_frame, begin - 1, begin);
  const bool begins_an_episode = end < columns.episodes.size() && columns.frames[end] != 0 &&
                                 may_precede(columns, is_bad_frame, end - 1, end);
  if (ends_an_episode) add_fault(begin, columns.episodes[begin - 1]);
  if (begins_an_episode) add_fault(end - 1, columns.episodes[end]);
  if (ends_an_episode || begins_an_episode) return;
  if (columns.num_lost == 0) columns.first_lost = static_cast<std::int64_t>(begin);
  columns.num_lost += static_cast<std::int64_t>(end - begin);
}

// Reports all rows that are marked as having no episode.
void add_lost_rows(const Reader& reader, const Flags& is_bad, const Flags& is_bad_frame,
                   IndexColumns& columns) {
  if (!is_bad.empty() && std::ranges::count(is_bad, 0) == 0) {
    static_cast<void>(DataColumn(reader, kEpisodes, 0, 1).integers());
  }
  for (std::size_t row = 0; row < is_bad.size(); ++row) {
    if (is_bad[row] == 0) continue;
    const std::size_t begin = row;
    while (row + 1 < is_bad.size() && is_bad[row + 1] != 0) ++row;
    add_lost_rows(reader, begin, row + 1, is_bad_frame, columns);
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
  add_lost_rows(reader, is_bad[kEpisodes], is_bad[kFrames], columns);

  // The faults of rows that have an episode.
  columns.is_bad.assign(columns.episodes.size(), 0);
  for (const auto& [name, flags] : is_bad) {
    for (std::size_t row = 0; row < flags.size(); ++row) {
      if (flags[row] == 0) continue;
      columns.is_bad[row] = 1;
      if (is_bad[kEpisodes][row] != 0) continue;
      const std::int64_t episode = columns.episodes[row];
      if (columns.faults.contains(episode)) continue;
      columns.faults[episode] = fault_of(reader, name, row, episode);
    }
  }
  return columns;
}

}  // namespace roboimi::lerobot_dataset
