// The opening of a folder: its tables are read and compared with its rows. See
// folder_selection.cpp for the choice of episodes, folder_videos.cpp for the videos and
// folder_reading.cpp for the reading of episodes.
#include "plugins/lerobot_dataset/lerobot_folder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "plugins/lerobot_dataset/camera_shape.h"
#include "plugins/lerobot_dataset/data_column.h"
#include "plugins/lerobot_dataset/image_frames.h"
#include "plugins/lerobot_dataset/table_check.h"
#include "roboimi/common/error.h"

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

}  // namespace

LerobotFolder::LerobotFolder(const fs::path& folder, const DatasetOptions& options,
                             Findings& findings)
    : info_(read_info(folder)),
      modality_(read_modality(info_, findings)),
      features_(choose_features(info_, modality_, options, findings)),
      table_(read_episode_table(info_, video_features(features_))),
      rows_(info_, task_column(features_)),
      skips_(options.unreadable == UnreadableEpisodes::kSkip) {
  read_tasks();
  open_episodes(choose_episodes(options, findings), options.max_episodes, findings);
  require_columns(findings);
  compare_table(info_, table_, rows_, findings);
  report_index_gaps(rows_, findings);
  report_lost_rows(rows_, findings);
  rows_.drop_columns();
  build_spec();
}

// The positions of the data files with rows of the selected episodes.
std::set<std::size_t> LerobotFolder::used_files() const {
  std::set<std::size_t> used;
  for (const std::int64_t number : episodes_) {
    for (const Run& run : rows_.episodes().at(number).runs) used.insert(run.file);
  }
  return used;
}

// Features that are used need a column in every file of the selected episodes.
void LerobotFolder::require_columns(Findings& findings) {
  const std::set<std::size_t> used = used_files();
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

void LerobotFolder::read_tasks() {
  if (task_column(features_).empty()) return;
  tasks_ = read_task_table(info_, task_column(features_));
  if (tasks_.file.empty()) features_.task.reset();
}

// Every task of an episode must have an instruction.
void LerobotFolder::require_tasks(std::int64_t number) const {
  if (task_column(features_).empty()) return;
  for (const Run& run : rows_.episodes().at(number).runs) {
    const DataFile& file = rows_.files()[run.file];
    const auto first = file.tasks.begin() + run.row;
    for (const std::int64_t task : std::set<std::int64_t>(first, first + run.count)) {
      tasks_.text(task, file.path.string());
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

// The length of the longest string in rows of a file. A null is an error of its episode, when that
// is read.
std::size_t LerobotFolder::longest_text(std::size_t file, const Feature& feature,
                                        std::int64_t first, std::int64_t count) const {
  const auto reader = data_.open(rows_.files()[file].path);
  const parquet::Values values = reader->read(feature.name, first, count);
  std::size_t longest = 0;
  if (const auto* texts = std::get_if<std::vector<std::string>>(&values.values)) {
    for (const std::string& text : *texts) longest = std::max(longest, text.size());
  }
  return longest;
}

// The size of a text stream that holds the longest string.
std::int64_t LerobotFolder::text_bytes(const Feature& feature) const {
  std::size_t longest = 0;
  if (feature.dtype == "string") {
    for (const std::size_t file : used_files()) {
      const std::int64_t num_rows = data_.open(rows_.files()[file].path)->num_rows();
      try {
        longest = std::max(longest, longest_text(file, feature, 0, num_rows));
      } catch (const Error&) {
        // The damage may lie in rows of episodes that are left out.
        for (std::int64_t i = 0; i < num_episodes(); ++i) {
          for (const Run& run : rows_of(i).runs) {
            if (run.file != file) continue;
            longest = std::max(longest, longest_text(file, feature, run.row, run.count));
          }
        }
      }
    }
  } else {
    for (const auto& [index, text] : tasks_.texts) longest = std::max(longest, text.size());
  }
  return (static_cast<std::int64_t>(longest) / kTextStep + 1) * kTextStep;
}

}  // namespace roboimi::lerobot_dataset
