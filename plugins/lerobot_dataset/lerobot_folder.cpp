// The opening of a folder: its tables are read and compared with its rows. See folder_videos.cpp
// for the videos and folder_reading.cpp for the reading of episodes.
#include "plugins/lerobot_dataset/lerobot_folder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "plugins/lerobot_dataset/camera_shape.h"
#include "plugins/lerobot_dataset/data_column.h"
#include "plugins/lerobot_dataset/image_frames.h"
#include "plugins/lerobot_dataset/table_check.h"
#include "roboimi/common/error.h"
#include "roboimi/contract/episode_selection.h"

namespace roboimi::lerobot_dataset {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kTextStep = 64;  // bytes; strings of similar lengths give equal specs

std::vector<std::string> video_features(const FeatureMap& features) {
  std::vector<std::string> names;
  for (const CameraFeature& camera : features.cameras) {
    if (camera.feature.dtype == "video") names.push_back(camera.feature.name);
  }
  return names;
}

// The column of task indices; empty if there is none.
std::string task_column(const FeatureMap& features) {
  return features.task && features.task->dtype != "string" ? features.task->name : "";
}

// Leaves out episodes after the last one in the table: their recording was interrupted after their
// rows were written and before their entry was, and only the table states where their videos are.
void leave_out_unlisted(const InfoFile& info, const EpisodeTable& table,
                        std::set<std::int64_t>& numbers, Findings& findings) {
  if (!info.is_v3 || table.error || table.episodes.empty()) return;
  const auto first = numbers.upper_bound(table.episodes.rbegin()->first);
  if (first == numbers.end()) return;
  const std::vector<std::int64_t> left_out(first, numbers.end());
  findings.warn(fmt::format("{}: left out, because they are not in the episode table: episodes {}",
                            info.folder().string(), listed_numbers(left_out)));
  numbers.erase(first, numbers.end());
}

bool has_error(const DataFile& file) { return file.error.has_value(); }

std::vector<std::int64_t> known_numbers(const EpisodeTable& table, const RowIndex& rows) {
  std::set<std::int64_t> numbers;
  for (const auto& [number, entry] : table.episodes) numbers.insert(number);
  for (const auto& [number, episode] : rows.episodes()) numbers.insert(number);
  return {numbers.begin(), numbers.end()};
}

}  // namespace

LerobotFolder::LerobotFolder(const fs::path& folder, const DatasetOptions& options,
                             Findings& findings)
    : info_(read_info(folder)),
      modality_(read_modality(info_, findings)),
      features_(choose_features(info_, modality_, options, findings)),
      table_(read_episode_table(info_, video_features(features_))),
      rows_(info_, task_column(features_)) {
  select_episodes(options, findings);
  require_columns(findings);
  compare_table(info_, table_, rows_, findings);
  report_index_gaps(rows_, findings);
  read_tasks();
  place_videos(findings);
  rows_.drop_columns();
  build_spec();
}

// The chosen episodes, by number, all of which must be complete.
void LerobotFolder::select_episodes(const DatasetOptions& options, Findings& findings) {
  if (rows_.files().empty()) {
    throw Error({.what = "the dataset has no data files",
                 .where = info_.folder().string(),
                 .expected = info_.data_path.text(),
                 .found = "no file of that name",
                 .next = "download or copy the folder again, with its data"});
  }
  const std::vector<std::int64_t> known = known_numbers(table_, rows_);
  const bool has_errors = table_.error || std::ranges::any_of(rows_.files(), &has_error);
  if (known.empty() && !has_errors) {
    throw Error({.what = "the dataset has no episodes",
                 .where = info_.folder().string(),
                 .expected = "rows in the data files",
                 .next = "download or copy the folder again, with its data"});
  }
  const EpisodeSelection selection(options.episodes);
  std::set<std::int64_t> chosen;
  for (const std::size_t i : selection.positions_in(known, info_.folder().string())) {
    chosen.insert(known[i]);
  }
  const bool is_filtered = !selection.selects_all();
  if (!is_filtered && !video_features(features_).empty()) {
    leave_out_unlisted(info_, table_, chosen, findings);
  }
  require_readable(chosen, is_filtered, findings);
  if (!is_filtered) compare_totals(info_, rows_, findings);

  // Every frame once, at its time.
  for (const std::int64_t number : chosen) {
    if (options.max_episodes > 0 && num_episodes() == options.max_episodes) break;
    require_rows(number);
    rows_.check(number, info_.fps);
    episodes_.push_back(number);
    const EpisodeRows& rows = rows_.episodes().at(number);
    EpisodeInfo info{.file = rows_.file_of(rows), .length = rows.length};
    const auto entry = table_.episodes.find(number);
    if (entry != table_.episodes.end() && entry->second.header) {
      info.seed = entry->second.header->seed;
      info.success = entry->second.header->success;
    }
    infos_.push_back(std::move(info));
  }
}

// Whether all rows of an episode, and its entry in the table, are in files that can be read.
bool LerobotFolder::is_whole(std::int64_t number) const {
  const auto rows = rows_.episodes().find(number);
  if (rows == rows_.episodes().end()) return false;
  const auto entry = table_.episodes.find(number);
  if (entry == table_.episodes.end()) return !table_.error;
  return entry->second.length.value_or(0) <= rows->second.length;
}

// A file that cannot be read, such as one that its recorder did not close, is an error unless all
// chosen episodes are complete without it.
void LerobotFolder::require_readable(const std::set<std::int64_t>& chosen, bool is_filtered,
                                     Findings& findings) const {
  std::vector<Error::Parts> errors;
  if (table_.error) errors.push_back(*table_.error);
  for (const DataFile& file : rows_.files()) {
    if (file.error) errors.push_back(*file.error);
  }
  if (errors.empty()) return;
  const auto whole = [&](std::int64_t number) { return is_whole(number); };
  if (!is_filtered || !std::ranges::all_of(chosen, whole)) {
    Error::Parts parts = errors.front();
    std::vector<std::int64_t> rest = known_numbers(table_, rows_);
    std::erase_if(rest, [&](std::int64_t number) { return !is_whole(number); });
    if (!rest.empty()) {
      parts.next += fmt::format("{}or train on the others: data.episodes=[{}]",
                                parts.next.empty() ? "" : "; ", listed_numbers(rest));
    }
    throw Error(std::move(parts));
  }
  for (const Error::Parts& error : errors) {
    findings.warn(
        fmt::format("{}: {}; the chosen episodes are in other files", error.where, error.what));
  }
}

void LerobotFolder::require_rows(std::int64_t number) const {
  if (rows_.episodes().contains(number)) return;
  const TableEpisode& entry = table_.episodes.at(number);
  PathFields fields{
      .numbers = {{"episode_index", number}, {"episode_chunk", number / info_.chunks_size}}};
  if (entry.data_chunk) fields.numbers["chunk_index"] = *entry.data_chunk;
  if (entry.data_file) fields.numbers["file_index"] = *entry.data_file;
  const bool has_file = !info_.is_v3 || (entry.data_chunk && entry.data_file);
  const fs::path file = has_file ? info_.folder() / info_.data_path.format(fields) : fs::path();
  throw Error({.what = fmt::format("episode {} has no rows", number),
               .where = table_.files.front().string(),
               .expected = has_file ? "its rows in " + file.string() : "its rows in a data file",
               .found = has_file && !fs::exists(file) ? "no such file" : "no row of that episode",
               .next = "restore the data file, remove the episode from the table, or leave it out: "
                       "data.episodes"});
}

// Features that are used need a column in every file of the selected episodes.
void LerobotFolder::require_columns(Findings& findings) {
  std::set<std::size_t> used;
  for (const std::int64_t number : episodes_) {
    for (const Run& run : rows_.episodes().at(number).runs) used.insert(run.file);
  }
  const std::set<std::string> needed = features_.used();
  for (const std::size_t index : used) {
    const DataFile& file = rows_.files()[index];
    for (const std::string& name : file.missing) {
      if (needed.contains(name)) throw missing_column(*data_.open(file.path), name);
    }
  }
  const auto lacks = [&](std::size_t index) { return !rows_.files()[index].missing.empty(); };
  const auto first = std::ranges::find_if(used, lacks);
  if (first == used.end()) return;
  const DataFile& file = rows_.files()[*first];
  const auto others = std::ranges::count_if(used, lacks) - 1;
  findings.warn(fmt::format("{}: features of meta/info.json without a column: {}{}",
                            file.path.string(), fmt::join(file.missing, ", "),
                            others > 0 ? fmt::format("; so in {} more files", others) : ""));
}

// Every task of the selected episodes must have an instruction.
void LerobotFolder::read_tasks() {
  if (task_column(features_).empty()) return;
  tasks_ = read_task_table(info_, task_column(features_));
  if (tasks_.file.empty()) {
    features_.task.reset();
    return;
  }
  for (const std::int64_t number : episodes_) {
    for (const Run& run : rows_.episodes().at(number).runs) {
      const DataFile& file = rows_.files()[run.file];
      const auto first = file.tasks.begin() + run.row;
      for (const std::int64_t task : std::set<std::int64_t>(first, first + run.count)) {
        tasks_.text(task, file.path.string());
      }
    }
  }
}

void LerobotFolder::build_spec() {
  spec_.action_dim = features_.actions.width();
  spec_.control_hz = info_.fps;
  std::vector<StreamSpec> streams;
  for (const VectorFeature& vector : features_.vectors) {
    streams.push_back(vector_stream(vector.stream, vector.width(), "", vector.element_names()));
  }
  for (const CameraFeature& camera : features_.cameras) {
    streams.push_back(rgb_stream(camera.stream, camera_size(camera)));
  }
  for (const Feature& text : features_.texts) {
    streams.push_back(text_stream(text.name, text_bytes(text)));
  }
  if (features_.task) streams.push_back(text_stream(kTask, text_bytes(*features_.task)));

  // Names that a user gave may collide.
  for (StreamSpec& stream : streams) {
    if (spec_.find(stream.name) != nullptr) {
      throw Error({.what = fmt::format("two streams are called '{}'", stream.name),
                   .where = info_.file.string(),
                   .expected = "different names",
                   .next = "check data.camera_names and data.streams"});
    }
    spec_.set(std::move(stream));
  }
}

ImageSize LerobotFolder::camera_size(const CameraFeature& camera) const {
  ImageSize size;
  if (camera.feature.dtype == "video") {
    size = videos_.at(camera.feature.name).size;
  } else {
    const EpisodeRows& rows = rows_.episodes().at(episodes_.front());
    const auto reader = data_.open(rows_.file_of(rows));
    size = image_size_of_row(*reader, info_.folder(), camera.feature.name, rows.runs.front().row);
  }
  check_camera_shape(camera.feature, size, info_.file);
  return size;
}

// The size of a text stream that holds the longest string.
std::int64_t LerobotFolder::text_bytes(const Feature& feature) const {
  std::size_t longest = 0;
  if (feature.dtype == "string") {
    std::set<fs::path> used;
    for (const EpisodeInfo& info : infos_) used.insert(info.file);
    for (const fs::path& file : used) {
      const auto reader = data_.open(file);
      for (const std::string& text : reader->read_strings(feature.name, 0, reader->num_rows())) {
        longest = std::max(longest, text.size());
      }
    }
  } else {
    for (const auto& [index, text] : tasks_.texts) longest = std::max(longest, text.size());
  }
  return (static_cast<std::int64_t>(longest) / kTextStep + 1) * kTextStep;
}

}  // namespace roboimi::lerobot_dataset
