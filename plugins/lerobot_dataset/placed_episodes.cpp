#include "plugins/lerobot_dataset/placed_episodes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <set>
#include <string_view>

#include "plugins/lerobot_dataset/episode_archive.h"
#include "plugins/lerobot_dataset/json_file.h"
#include "roboimi/common/error.h"
#include "roboimi/common/log.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

constexpr char kMetadataKey[] = "roboimi";

fs::path tables_folder(const fs::path& folder) { return folder / "meta/episodes/chunk-000"; }

// The number in file-NNN.parquet.
std::optional<std::int64_t> index_of(const fs::path& table) {
  constexpr std::string_view kPrefix = "file-";
  const std::string name = table.filename().string();
  if (!name.starts_with(kPrefix)) return std::nullopt;
  std::int64_t index = 0;
  const char* const begin = name.data() + kPrefix.size();
  if (std::from_chars(begin, name.data() + name.size(), index).ec != std::errc()) {
    return std::nullopt;
  }
  const bool is_same = index >= 0 && table_path("", index).filename() == name;
  return is_same ? std::optional(index) : std::nullopt;
}

PlacedEpisode read_table(const fs::path& file, std::int64_t index) {
  const parquet::Reader reader(file);
  const auto integer = [&](const char* column) {
    return reader.read_integers(column, 0, reader.num_rows()).at(0);
  };
  if (reader.num_rows() != 1 || integer("episode_index") != index) {
    throw Error({.what = "the table is not that of one episode written by roboimi collect",
                 .where = file.string(),
                 .expected = fmt::format("one row, of episode {}", index),
                 .found = fmt::format("{} rows", reader.num_rows()),
                 .next = "choose another folder: episodes are not added to other datasets"});
  }
  PlacedEpisode episode{.length = integer("length"), .from_index = integer("dataset_from_index")};
  constexpr std::string_view kPrefix = "stats/", kEnd = "/count";
  for (const parquet::Column& column : reader.columns()) {
    const std::string_view name = column.name;
    if (!name.starts_with(kPrefix) || !name.ends_with(kEnd)) continue;
    const std::string feature(
        name.substr(kPrefix.size(), name.size() - kPrefix.size() - kEnd.size()));
    episode.stats[feature] = read_stats(reader, feature);
  }
  return episode;
}

}  // namespace

fs::path table_path(const fs::path& folder, std::int64_t index) {
  return tables_folder(folder) / fmt::format("file-{:03}.parquet", index);
}

fs::path rows_path(const fs::path& folder, std::int64_t index) {
  return folder / "data/chunk-000" / fmt::format("file-{:03}.parquet", index);
}

fs::path video_path(const fs::path& folder, const std::string& feature, std::int64_t index) {
  return folder / "videos" / feature / "chunk-000" / fmt::format("file-{:03}.mp4", index);
}

bool is_table(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string magic(4, '\0');
  in.read(magic.data(), std::ssize(magic));
  return magic == "PAR1";
}

std::optional<EpisodeHeader> find_header(const parquet::Reader& table) {
  const auto found = table.metadata().find(kMetadataKey);
  if (found == table.metadata().end() || table.num_rows() != 1) return std::nullopt;
  try {
    return header_from_json(Json::parse(found->second));
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

EpisodeHeader read_table_header(const fs::path& file) {
  const std::optional<EpisodeHeader> header = find_header(parquet::Reader(file));
  if (header) return *header;
  throw Error({.what = "the table was not written by roboimi",
               .where = file.string(),
               .expected = "one row and the metadata 'roboimi', as written by roboimi collect"});
}

std::map<std::string, std::string> table_metadata(const EpisodeHeader& header) {
  return {{kMetadataKey, to_json(header).dump()}};
}

void DatasetTotals::add(const PlacedEpisode& episode) {
  ++episodes;
  rows += episode.length;
  for (const auto& [feature, part] : episode.stats) add_to(stats[feature], part);
}

DatasetTotals PlacedEpisodes::totals_with(std::int64_t index, const PlacedEpisode& episode) const {
  if (episodes_.empty() || episodes_.rbegin()->first < index) {
    DatasetTotals totals = totals_;
    totals.add(episode);
    return totals;
  }
  DatasetTotals totals;
  for (auto placed = episodes_.begin(); placed != episodes_.lower_bound(index); ++placed) {
    totals.add(placed->second);
  }
  totals.add(episode);
  for (auto placed = episodes_.upper_bound(index); placed != episodes_.end(); ++placed) {
    totals.add(placed->second);
  }
  return totals;
}

std::int64_t PlacedEpisodes::first_row_of(std::int64_t index) const {
  if (episodes_.empty() || episodes_.rbegin()->first < index) return totals_.rows;
  std::int64_t rows = 0;
  for (auto placed = episodes_.begin(); placed != episodes_.lower_bound(index); ++placed) {
    rows += placed->second.length;
  }
  return rows;
}

void PlacedEpisodes::update(const fs::path& folder) {
  if (folder != folder_) {
    stamps_.clear();
    episodes_.clear();
    folder_ = folder;
  }
  std::set<std::int64_t> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(tables_folder(folder), error)) {
    const std::optional<std::int64_t> index = index_of(entry.path());
    if (!index) continue;
    found.insert(*index);
    const Stamp stamp{.time = entry.last_write_time(error), .size = entry.file_size(error)};
    if (const auto known = stamps_.find(*index); known != stamps_.end() && known->second == stamp) {
      continue;
    }
    stamps_[*index] = stamp;
    episodes_.erase(*index);
    std::optional<Error> damage;
    try {
      const parquet::Reader whole(entry.path());
    } catch (const Error& caught) {
      damage = caught;
    }
    if (damage) {
      logger().warn("{}: not counted: {}", folder.string(), damage->what());
    } else {
      episodes_[*index] = read_table(entry.path(), *index);
    }
  }
  std::erase_if(stamps_, [&](const auto& item) { return !found.contains(item.first); });
  std::erase_if(episodes_, [&](const auto& item) { return !found.contains(item.first); });
  add_up();
}

// Computes the totals: if the new episodes follow those before, they are added.
void PlacedEpisodes::add_up() {
  const auto before = std::ssize(counted_);
  const bool follow = before <= std::ssize(stamps_) &&
                      std::equal(counted_.begin(), counted_.end(), stamps_.begin());
  if (!follow || before == 0) totals_ = {};
  const auto first =
      follow && before > 0 ? episodes_.upper_bound(counted_.rbegin()->first) : episodes_.begin();
  for (auto placed = first; placed != episodes_.end(); ++placed) totals_.add(placed->second);
  counted_ = stamps_;
}

}  // namespace roboimi::lerobot_dataset
