// Writes small LeRobot datasets for tests: three episodes of 12, 9 and 12 rows at 50 fps, cameras
// front and top, state [3] and action [2]. Everything can be changed before write().
//
//   LerobotSet set(folder);
//   set.table[2].from_index = 0;   // as a faulty converter wrote it
//   set.write();
//
// Every frame shows its number as dark and bright stripes (see LerobotSet::label), which survives
// encoding.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "plugins/lerobot_dataset/lerobot_dataset.h"

namespace roboimi::lerobot_dataset {

// Chunk and number of a file.
struct FileNumber {
  std::int64_t chunk = 0, file = 0;
  auto operator<=>(const FileNumber&) const = default;
};

struct SetRow {
  std::int64_t episode = 0, frame = 0, index = 0, task = 0;
  double timestamp = 0.0;
  FileNumber file = {};
  bool lacks_action = false;  // the last number of its action
  std::string null_column;    // an index column in which it is null
};

struct SetWindow {
  FileNumber file = {};
  double from = 0.0, to = 0.0;
  bool lacks_start = false;  // null
};

struct SetEpisode {
  std::int64_t episode = 0, length = 0, from_index = 0, to_index = 0;
  FileNumber data = {};
  std::map<std::string, SetWindow> windows = {};  // by camera
  FileNumber table = {};                          // the file that has this row
  bool lacks_length = false;                      // null
};

class LerobotSet {
 public:
  static constexpr std::int64_t kHeight = 32, kWidth = 96;
  static constexpr std::int64_t kStateDim = 3, kActionDim = 2;

  // A sound dataset of `version`. `dtype` of the cameras: "video" or "image".
  explicit LerobotSet(const std::filesystem::path& folder, const std::string& version = "v3.0",
                      const std::string& dtype = "video",
                      const std::vector<std::int64_t>& lengths = {12, 9, 12});

  void write() const;

  // A number below 4096 that identifies a frame: 1024 camera + 40 episode + frame + 1.
  static std::int64_t label(std::int64_t camera, std::int64_t episode, std::int64_t frame) {
    return 1024 * camera + 40 * episode + frame + 1;
  }
  // The numbers that frames [N, H, W, 3] show.
  static std::vector<std::int64_t> labels_of(const at::Tensor& frames);
  // The numbers of rows [0, length) of an episode.
  static std::vector<std::int64_t> labels(std::int64_t camera, std::int64_t episode,
                                          std::int64_t length);
  static at::Tensor picture(std::int64_t label);
  // state[t] and actions[t] of an episode.
  static at::Tensor states(std::int64_t episode, std::int64_t length);
  static at::Tensor actions(std::int64_t episode, std::int64_t length);

  std::filesystem::path data_file(FileNumber number) const;
  std::filesystem::path video_file(const std::string& camera, FileNumber number) const;
  bool is_v3() const { return version_ == "v3.0"; }

  // Contents. The order of the rows is that of the files.
  nlohmann::ordered_json info;
  std::vector<SetRow> rows;
  std::vector<SetEpisode> table;
  std::vector<std::pair<std::int64_t, std::string>> tasks = {{0, "pick up the box"},
                                                             {1, "hand the box over"}};
  std::string task_column = "task";
  // The labels of all frames of each video file, by camera and file (before v3: {0, episode}).
  std::map<std::pair<std::string, FileNumber>, std::vector<std::int64_t>> videos;
  std::vector<std::string> cameras = {"front", "top"};
  double fps = 50.0;
  // Names of features; a camera's begins with `camera_prefix`.
  std::string camera_prefix = "observation.images.";
  std::string state_name = "observation.state", action_name = "action";
  std::vector<std::pair<std::string, std::int64_t>> integer_columns = {};  // name, value
  std::vector<std::pair<std::string, std::string>> string_columns = {};    // name, value
  std::map<FileNumber, std::string> endings = {};  // of the strings in some data files
  bool has_table = true;
  bool has_image_files = false;  // images are files that the data name, instead of bytes in them

 private:
  void write_data() const;
  void write_table() const;
  void write_tasks() const;
  void write_videos() const;

  std::filesystem::path folder_;
  std::string version_, dtype_;
};

// Opens the set, with these options and its path.
LerobotDataset open_set(const std::filesystem::path& folder, DatasetOptions options = {});

}  // namespace roboimi::lerobot_dataset
