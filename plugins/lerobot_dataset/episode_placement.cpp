#include "plugins/lerobot_dataset/episode_placement.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "plugins/lerobot_dataset/column_table.h"
#include "plugins/lerobot_dataset/written_features.h"
#include "roboimi/common/error.h"
#include "roboimi/common/files.h"
#include "roboimi/common/json_text.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

constexpr int kIndent = 4;  // of LeRobot's JSON files

fs::path info_path(const fs::path& folder) { return folder / "meta/info.json"; }
fs::path tasks_path(const fs::path& folder) { return folder / "meta/tasks.parquet"; }

std::string dtype_of(const Json& feature) { return feature.at("dtype").get<std::string>(); }

bool is_camera(const Json& feature) {
  return dtype_of(feature) == "video" || dtype_of(feature) == "image";
}

// Pandas' description of tasks.parquet. Without it LeRobot treats the task as an ordinary column.
std::string pandas_metadata() {
  const auto column = [](const char* name, const char* type, const char* numpy) -> Json {
    return {{"name", name},
            {"field_name", name},
            {"pandas_type", type},
            {"numpy_type", numpy},
            {"metadata", nullptr}};
  };
  const Json index = {{"name", nullptr},
                      {"field_name", nullptr},
                      {"pandas_type", "unicode"},
                      {"numpy_type", "object"},
                      {"metadata", {{"encoding", "UTF-8"}}}};
  const Json metadata = {{"index_columns", Json::array({"task"})},
                         {"column_indexes", Json::array({index})},
                         {"columns", Json::array({column("task_index", "int64", "int64"),
                                                  column("task", "unicode", "object")})},
                         {"attributes", Json::object()},
                         {"creator", {{"library", "roboimi"}, {"version", "1"}}},
                         {"pandas_version", "2.0.0"}};
  return metadata.dump();
}

}  // namespace

EpisodePlacement::EpisodePlacement(const fs::path& written, fs::path folder, std::int64_t index,
                                   const PlacedEpisodes& placed)
    : archive_(written),
      folder_(std::move(folder)),
      index_(index),
      placed_(placed),
      features_(archive_.facts().features),
      written_(written) {
  const Json added = default_features();
  for (const auto& [name, feature] : added.items()) features_[name] = feature;
  choose_place();
  // If there are no episodes, the other files are leftovers of an unfinished placement.
  if (!placed.episodes().empty()) check_features();
  choose_tasks();
  episode_.stats = archive_.facts().stats;
  add_stats_of_counters();
}

// Rows are counted through the dataset, in the order of the episodes.
void EpisodePlacement::choose_place() {
  episode_.length = archive_.facts().length;
  episode_.from_index = placed_.first_row_of(index_);
  const auto next = placed_.episodes().upper_bound(index_);
  const std::int64_t end = episode_.from_index + episode_.length;
  if (next == placed_.episodes().end() || next->second.from_index == end) return;
  throw Error(
      {.what = fmt::format("episode {} does not fit before episode {}", index_, next->first),
       .where = table_path(folder_, index_).string(),
       .expected = fmt::format("{} rows", next->second.from_index - episode_.from_index),
       .found = fmt::format("{} rows", episode_.length),
       .next = "collect into another folder, or remove the episodes after it"});
}

void EpisodePlacement::check_features() const {
  const fs::path file = info_path(folder_);
  if (!fs::exists(file)) return;
  const Json info = read_json(file);
  const double fps = archive_.facts().fps;
  const auto fail = [&](const std::string& what, const std::string& expected,
                        const std::string& found) {
    throw Error({.what = what + " differs from the dataset",
                 .where = written_.string(),
                 .expected = expected + ", as in " + file.string(),
                 .found = found,
                 .next = "collect into another folder"});
  };
  const auto entry = [&](const char* name) {
    return info.is_object() ? info.value(name, Json()) : Json();
  };
  const Json rate = entry("fps");
  if (!rate.is_number() || rate.get<double>() != fps) {
    fail("the rate", shown(rate), fmt::format("{}", fps));
  }
  const Json features = entry("features");
  for (const auto& [name, feature] : features_.items()) {
    const Json before = features.is_object() ? features.value(name, Json()) : Json();
    if (before != feature) fail("the feature '" + name + "'", shown(before), shown(feature));
  }
  if (features.size() == features_.size()) return;
  for (const auto& [name, feature] : features.items()) {
    if (!features_.contains(name)) fail("the feature '" + name + "'", shown(feature), "none");
  }
}

// Tasks keep their indices; new ones follow.
void EpisodePlacement::choose_tasks() {
  if (!placed_.episodes().empty()) {
    const parquet::Reader reader(tasks_path(folder_));
    const auto indices = reader.read_integers("task_index", 0, reader.num_rows());
    const auto texts = reader.read_strings("task", 0, reader.num_rows());
    tasks_.resize(texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const std::int64_t index = indices[i];
      if (index < 0 || index >= std::ssize(tasks_) ||
          !tasks_[static_cast<std::size_t>(index)].empty()) {
        throw Error({.what = "the tasks are not counted from 0 without gaps",
                     .where = tasks_path(folder_).string(),
                     .found = fmt::format("task_index {}", index),
                     .next = "collect into another folder"});
      }
      tasks_[static_cast<std::size_t>(index)] = texts[i];
    }
  }
  for (const std::string& task : archive_.facts().tasks) {
    if (std::ranges::find(tasks_, task) == tasks_.end()) tasks_.push_back(task);
  }
  for (const std::int64_t row : archive_.facts().task_rows) {
    const std::string& task = archive_.facts().tasks.at(static_cast<std::size_t>(row));
    task_indices_.push_back(std::ranges::find(tasks_, task) - tasks_.begin());
  }
}

// LeRobot stores statistics of the columns that count rows too.
void EpisodePlacement::add_stats_of_counters() {
  const at::Tensor frames = at::arange(episode_.length, at::kDouble).unsqueeze(1);
  const at::Tensor tasks = at::tensor(task_indices_, at::kDouble).unsqueeze(1);
  const auto index = static_cast<double>(index_), first = static_cast<double>(episode_.from_index);
  episode_.stats["timestamp"] = stats_of_table(frames / archive_.facts().fps);
  episode_.stats["frame_index"] = stats_of_table(frames);
  episode_.stats["episode_index"] = stats_of_table(at::full_like(frames, index));
  episode_.stats["index"] = stats_of_table(frames + first);
  episode_.stats["task_index"] = stats_of_table(tasks);
}

void EpisodePlacement::write_videos() const {
  for (const auto& [name, feature] : features_.items()) {
    if (dtype_of(feature) != "video") continue;
    archive_.unpack(name + ".mp4", video_path(folder_, name, index_));
  }
}

void EpisodePlacement::write_tasks() const {
  ColumnTable table;
  std::vector<std::int64_t> indices(tasks_.size());
  for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<std::int64_t>(i);
  table.add_integers("task_index", std::move(indices));
  table.add_texts("task", tasks_);
  table.write(tasks_path(folder_), {.metadata = {{"pandas", pandas_metadata()}}});
}

void EpisodePlacement::write_rows() const {
  write_tasks();
  const TemporaryFolder parts(written_);
  const fs::path rows = parts.path() / kRowsMember;
  archive_.unpack(kRowsMember, rows);
  const parquet::Reader reader(rows);
  const std::int64_t length = episode_.length;

  // The columns of the record, and those that count rows.
  ColumnTable table;
  for (const parquet::Column& column : reader.columns()) {
    table.add(column, reader.read(column.name, 0, length));
  }
  std::vector<float> times;
  std::vector<std::int64_t> frames, indices;
  for (std::int64_t frame = 0; frame < length; ++frame) {
    times.push_back(static_cast<float>(static_cast<double>(frame) / archive_.facts().fps));
    frames.push_back(frame);
    indices.push_back(episode_.from_index + frame);
  }
  table.add({.name = "timestamp", .type = parquet::Type::kFloat}, {.values = std::move(times)});
  table.add_integers("frame_index", std::move(frames));
  table.add_integers("episode_index", std::vector<std::int64_t>(indices.size(), index_));
  table.add_integers("index", std::move(indices));
  table.add_integers("task_index", task_indices_);
  parquet::WriterOptions options;
  for (const auto& [name, feature] : features_.items()) {
    if (dtype_of(feature) == "image") options.structs.insert(name);
  }
  table.write(rows_path(folder_, index_), std::move(options));
}

void EpisodePlacement::write_totals() const {
  // Totals and statistics of all episodes, this one included.
  const DatasetTotals totals = placed_.totals_with(index_, episode_);
  Json stats = Json::object();
  for (const auto& [name, feature] : features_.items()) {
    const auto found = totals.stats.find(name);
    if (found != totals.stats.end()) stats[name] = to_json(found->second, is_camera(feature));
  }
  write_text_atomically(folder_ / "meta/stats.json", json_text(stats, kIndent));

  bool has_videos = false;
  for (const auto& [name, feature] : features_.items()) {
    has_videos = has_videos || dtype_of(feature) == "video";
  }
  const EpisodeFacts& facts = archive_.facts();
  const bool is_whole = std::trunc(facts.fps) == facts.fps;
  const Json info = {
      {"codebase_version", "v3.0"},
      {"robot_type", facts.robot_type.empty() ? Json() : Json(facts.robot_type)},
      {"total_episodes", totals.episodes},
      {"total_frames", totals.rows},
      {"total_tasks", tasks_.size()},
      {"chunks_size", 1000},
      {"data_files_size_in_mb", 100},
      {"video_files_size_in_mb", 200},
      {"fps", is_whole ? Json(static_cast<std::int64_t>(facts.fps)) : Json(facts.fps)},
      {"splits", {{"train", fmt::format("0:{}", totals.episodes)}}},
      {"data_path", "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"},
      {"video_path",
       has_videos ? Json("videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4")
                  : Json()},
      {"features", features_}};
  write_text_atomically(info_path(folder_), json_text(info, kIndent));
}

void EpisodePlacement::write_table() const {
  const EpisodeFacts& facts = archive_.facts();
  ColumnTable table;
  const auto add = [&](const std::string& name, std::int64_t value) {
    table.add_integers(name, {value});
  };
  add("episode_index", index_);
  table.add({.name = "tasks", .type = parquet::Type::kByteArray, .list_depth = 1, .is_text = true},
            {.values = facts.tasks, .offsets = {{0, std::ssize(facts.tasks)}}});
  add("length", episode_.length);
  add("data/chunk_index", 0);
  add("data/file_index", index_);
  add("dataset_from_index", episode_.from_index);
  add("dataset_to_index", episode_.from_index + episode_.length);
  for (const auto& [name, feature] : features_.items()) {
    if (dtype_of(feature) != "video") continue;
    const std::string prefix = "videos/" + name + "/";
    add(prefix + "chunk_index", 0);
    add(prefix + "file_index", index_);
    const auto add_time = [&](const char* column, double seconds) {
      table.add({.name = prefix + column, .type = parquet::Type::kDouble},
                {.values = std::vector<double>{seconds}});
    };
    add_time("from_timestamp", 0.0);
    add_time("to_timestamp", static_cast<double>(episode_.length) / facts.fps);
  }
  for (const auto& [name, feature] : features_.items()) {
    const auto stats = episode_.stats.find(name);
    if (stats != episode_.stats.end()) add_stats(table, name, stats->second, is_camera(feature));
  }
  add("meta/episodes/chunk_index", 0);
  add("meta/episodes/file_index", index_);
  table.write(table_path(folder_, index_), {.metadata = table_metadata(facts.header)});
}

}  // namespace roboimi::lerobot_dataset
