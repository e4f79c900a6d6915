#include "plugins/lerobot_dataset/row_index.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "plugins/lerobot_dataset/folder_listing.h"
#include "roboimi/io/parquet/reader.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

using parquet::Reader;

// Whether a feature has a column, or several: the members of a struct, such as an image's bytes.
bool has_column(const Reader& reader, const Feature& feature) {
  return std::ranges::any_of(reader.columns(), [&](const parquet::Column& column) {
    return column.name == feature.name || column.name.starts_with(feature.name + ".");
  });
}

IndexColumns read_columns(const Reader& reader, const InfoFile& info,
                          const std::string& task_column, DataFile& file) {
  for (const Feature& feature : info.features) {
    if (feature.dtype != "video" && !has_column(reader, feature)) file.missing.insert(feature.name);
  }
  IndexColumns columns = read_index_columns(reader, info, task_column);
  file.timestamps = std::move(columns.timestamps);
  file.tasks = std::move(columns.tasks);
  file.num_lost = columns.num_lost;
  file.first_lost = columns.first_lost;
  return columns;
}

Error wrong_frames(const fs::path& file, std::int64_t episode, std::int64_t expected,
                   std::int64_t found) {
  const std::string what =
      found < 0          ? fmt::format("episode {} has a frame with a negative number", episode)
      : found < expected ? fmt::format("episode {} has frame {} twice", episode, found)
                         : fmt::format("episode {} lacks frame {}", episode, expected);
  return Error({.what = what,
                .where = file.string(),
                .expected = fmt::format("frame_index {}", expected),
                .found = std::to_string(found),
                .next = fmt::format("{}, or leave the episode out: data.episodes",
                                    found < 0          ? "correct frame_index"
                                    : found < expected ? "remove the second row or file"
                                                       : "restore the missing rows or files")});
}

}  // namespace

RowIndex::RowIndex(const InfoFile& info, const std::string& task_column) {
  const fs::path folder = info.folder();
  for (const fs::path& path : files_below(folder / info.data_path.first_folder(), ".parquet")) {
    const auto fields = info.data_path.match(path.lexically_relative(folder).generic_string());
    if (fields) files_.push_back({.path = path, .fields = *fields});
  }

  // Files are read in parallel, and added in order.
  const auto num_files = static_cast<std::int64_t>(files_.size());
  std::vector<IndexColumns> columns(files_.size());
  at::parallel_for(0, num_files, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      try {
        columns[i] = read_columns(Reader(files_[i].path), info, task_column, files_[i]);
      } catch (const Error& error) {
        columns[i] = {};
        files_[i].error = error.parts();
      }
    }
  });
  for (std::size_t i = 0; i < files_.size(); ++i) {
    add_rows(i, columns[i]);
  }
  for (auto& [number, rows] : episodes_) std::ranges::sort(rows.runs, {}, &Run::frame);
}

void RowIndex::add_rows(std::size_t file, const IndexColumns& columns) {
  const std::vector<std::int64_t>& episodes = columns.episodes;
  const std::vector<std::int64_t>& frames = columns.frames;
  const std::vector<std::int64_t>& indices = columns.indices;
  std::int64_t last_episode = 0;
  EpisodeRows* rows = nullptr;
  for (std::size_t i = 0; i < episodes.size(); ++i) {
    if (columns.is_bad[i] != 0) {
      rows = nullptr;
      continue;
    }
    // Continue the last run, or begin another one.
    const bool continues = rows != nullptr && episodes[i] == last_episode &&
                           frames[i] > frames[i - 1] && frames[i] - 1 == frames[i - 1];
    if (!continues) {
      rows = &episodes_[episodes[i]];
      rows->runs.push_back(
          {.file = file, .row = static_cast<std::int64_t>(i), .frame = frames[i], .count = 0});
    }
    if (continues && !indices.empty() && !rows->gap &&
        (indices[i - 1] == INT64_MAX || indices[i] != indices[i - 1] + 1)) {
      rows->gap = {.frame = frames[i], .before = indices[i - 1], .found = indices[i]};
    }
    last_episode = episodes[i];
    ++rows->runs.back().count;
    ++rows->length;
    if (frames[i] == 0 && !indices.empty()) rows->first_index = indices[i];
  }
  for (const auto& [number, fault] : columns.faults) {
    EpisodeRows& faulty = episodes_[number];
    if (!faulty.fault) faulty.fault = fault;
  }
  num_rows_ += static_cast<std::int64_t>(episodes.size());
}

bool RowIndex::has_lost_rows() const {
  return std::ranges::any_of(files_, [](const DataFile& file) { return file.num_lost > 0; });
}

const fs::path& RowIndex::file_of(const EpisodeRows& rows) const {
  return files_[rows.runs.front().file].path;
}

void RowIndex::check(std::int64_t number, double fps) const {
  const EpisodeRows& rows = episodes_.at(number);
  if (rows.fault) throw Error(*rows.fault);
  std::int64_t next = 0;
  for (const Run& run : rows.runs) {
    const DataFile& file = files_[run.file];
    if (run.frame != next) throw wrong_frames(file.path, number, next, run.frame);
    for (std::int64_t i = 0; i < run.count; ++i) {
      const double expected = static_cast<double>(next + i) / fps;
      const double found = file.timestamps[static_cast<std::size_t>(run.row + i)];
      if (std::abs(found - expected) <= 0.5 / fps) continue;
      throw Error({.what = fmt::format("frame {} of episode {} has the time of another frame",
                                       next + i, number),
                   .where = file.path.string(),
                   .expected = fmt::format("timestamp {:.6g} s at {} fps, within half a frame",
                                           expected, fps),
                   .found = fmt::format("{:.6g} s", found),
                   .next = "correct 'fps' in meta/info.json or the column timestamp, or leave the "
                           "episode out: data.episodes"});
    }
    next += run.count;
  }
}

std::vector<double> RowIndex::timestamps(const EpisodeRows& rows) const {
  std::vector<double> times;
  for (const Run& run : rows.runs) {
    const auto first = files_[run.file].timestamps.begin() + run.row;
    times.insert(times.end(), first, first + run.count);
  }
  return times;
}

void RowIndex::drop_columns() {
  for (DataFile& file : files_) {
    std::vector<double>().swap(file.timestamps);
    std::vector<std::int64_t>().swap(file.tasks);
  }
}

}  // namespace roboimi::lerobot_dataset
