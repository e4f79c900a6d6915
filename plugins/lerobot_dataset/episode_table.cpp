#include "plugins/lerobot_dataset/episode_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "plugins/lerobot_dataset/data_column.h"
#include "plugins/lerobot_dataset/folder_listing.h"
#include "plugins/lerobot_dataset/json_file.h"
#include "plugins/lerobot_dataset/placed_episodes.h"
#include "roboimi/common/error.h"
#include "roboimi/io/parquet/reader.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

using parquet::Reader;

void add(EpisodeTable& table, std::int64_t number, TableEpisode episode, const fs::path& file) {
  if (table.episodes.try_emplace(number, std::move(episode)).second) return;
  throw Error({.what = fmt::format("episode {} is listed twice", number),
               .where = file.string(),
               .expected = "one row per episode",
               .next = "remove the second row, or the table file that was added by mistake"});
}

// A column of numbers, which the table or a row of it may lack.
template <typename Number, typename Read>
std::vector<std::optional<Number>> optional_column(const Reader& reader, const std::string& column,
                                                   const Read& read) {
  std::vector<std::optional<Number>> found(static_cast<std::size_t>(reader.num_rows()));
  if (reader.find(column) == nullptr) return found;
  std::vector<std::uint8_t> is_bad;
  const std::vector<Number> stored = read(DataColumn(reader, column, 0, reader.num_rows()), is_bad);
  for (std::size_t row = 0; row < found.size(); ++row) {
    if (is_bad[row] == 0) found[row] = stored[row];
  }
  return found;
}

std::vector<std::optional<std::int64_t>> optional_integers(const Reader& reader,
                                                           const std::string& column) {
  return optional_column<std::int64_t>(reader, column, [](const DataColumn& values, auto& is_bad) {
    return values.integers(is_bad);
  });
}

std::vector<std::optional<double>> optional_numbers(const Reader& reader,
                                                    const std::string& column) {
  return optional_column<double>(reader, column, [](const DataColumn& values, auto& is_bad) {
    return values.numbers(is_bad);
  });
}

void require_column(const Reader& reader, const std::string& column, const std::string& next) {
  if (reader.find(column) != nullptr) return;
  throw Error({.what = fmt::format("the episode table has no column '{}'", column),
               .where = reader.file().string(),
               .expected = "the columns of LeRobot's version 3",
               .next = next});
}

// Adds the windows of one camera to the episodes of a table file.
void read_windows(const Reader& reader, const InfoFile& info, const std::string& feature,
                  std::vector<TableEpisode>& episodes) {
  const std::string prefix = "videos/" + feature + "/";
  const std::string next = fmt::format("leave the camera '{}' out of data.camera_names", feature);
  for (const char* column : {"chunk_index", "file_index", "from_timestamp"}) {
    require_column(reader, prefix + column, next);
  }
  // A null leaves its episode without a window.
  const auto chunks = optional_integers(reader, prefix + "chunk_index");
  const auto files = optional_integers(reader, prefix + "file_index");
  const auto from = optional_numbers(reader, prefix + "from_timestamp");
  const auto to = optional_numbers(reader, prefix + "to_timestamp");
  for (std::size_t row = 0; row < episodes.size(); ++row) {
    if (!chunks[row] || !files[row] || !from[row]) continue;
    const PathFields fields{.numbers = {{"chunk_index", *chunks[row]}, {"file_index", *files[row]}},
                            .video_key = feature};
    episodes[row].windows[feature] = {
        .file = info.video_path.format(fields), .from = *from[row], .to = to[row]};
  }
}

void read_table_file(const fs::path& file, const InfoFile& info,
                     const std::vector<std::string>& video_features, EpisodeTable& table) {
  std::optional<Reader> opened;
  try {
    opened.emplace(file);
  } catch (const Error& error) {
    if (!table.error) table.error = error.parts();
    return;
  }
  const Reader& reader = *opened;
  require_column(reader, "episode_index", "restore the table, or convert the dataset again");
  const auto numbers = reader.read_integers("episode_index", 0, reader.num_rows());
  std::vector<TableEpisode> episodes(numbers.size());

  // Columns about rows may be missing; they are only compared.
  const auto lengths = optional_integers(reader, "length");
  const auto from = optional_integers(reader, "dataset_from_index");
  const auto to = optional_integers(reader, "dataset_to_index");
  const auto chunks = optional_integers(reader, "data/chunk_index");
  const auto files = optional_integers(reader, "data/file_index");
  for (std::size_t row = 0; row < episodes.size(); ++row) {
    episodes[row] = {.length = lengths[row],
                     .from_index = from[row],
                     .to_index = to[row],
                     .data_chunk = chunks[row],
                     .data_file = files[row]};
  }
  for (const std::string& feature : video_features) read_windows(reader, info, feature, episodes);
  if (episodes.size() == 1) episodes.front().header = find_header(reader);
  for (std::size_t row = 0; row < episodes.size(); ++row) {
    add(table, numbers[row], std::move(episodes[row]), file);
  }
}

void read_lines(const fs::path& file, EpisodeTable& table) {
  read_json_lines(file, [&](const Json& row, std::int64_t line) {
    const auto number = row.is_object() ? row.find("episode_index") : row.end();
    if (!row.is_object() || number == row.end() || !number->is_number_integer()) {
      throw Error({.what = "the line names no episode",
                   .where = fmt::format("{}:{}", file.string(), line),
                   .expected = R"({"episode_index": 0, "tasks": [...], "length": 40})",
                   .found = shown(row)});
    }
    TableEpisode episode;
    if (const auto length = row.find("length");
        length != row.end() && length->is_number_integer()) {
      episode.length = length->get<std::int64_t>();
    }
    add(table, number->get<std::int64_t>(), std::move(episode), file);
  });
}

}  // namespace

EpisodeTable read_episode_table(const InfoFile& info,
                                const std::vector<std::string>& video_features) {
  EpisodeTable table;
  const fs::path meta = info.folder() / "meta";
  if (info.is_v3) {
    table.files = files_below(meta / "episodes", ".parquet");
    for (const fs::path& file : table.files) read_table_file(file, info, video_features, table);
  } else if (const fs::path lines = meta / "episodes.jsonl"; can_be_found(lines)) {
    table.files = {lines};
    read_lines(lines, table);
  }
  return table;
}

}  // namespace roboimi::lerobot_dataset
