// One folder of a LeRobot dataset: its tables, checked against its rows and videos, and the
// reading of its episodes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "plugins/lerobot_dataset/data_files.h"
#include "plugins/lerobot_dataset/episode_table.h"
#include "plugins/lerobot_dataset/feature_map.h"
#include "plugins/lerobot_dataset/findings.h"
#include "plugins/lerobot_dataset/indexed_video.h"
#include "plugins/lerobot_dataset/info_file.h"
#include "plugins/lerobot_dataset/lerobot_dataset.h"
#include "plugins/lerobot_dataset/modality.h"
#include "plugins/lerobot_dataset/row_index.h"
#include "plugins/lerobot_dataset/task_table.h"
#include "plugins/lerobot_dataset/video_pool.h"
#include "plugins/lerobot_dataset/video_windows.h"
#include "roboimi/contract/dataset.h"

namespace roboimi::lerobot_dataset {

inline constexpr char kTask[] = "task";  // the stream of the instruction

class LerobotFolder {
 public:
  // Throws Error as described at LerobotDataset.
  LerobotFolder(const std::filesystem::path& folder, const DatasetOptions& options,
                Findings& findings);

  const std::filesystem::path& info_file() const { return info_.file; }
  const ObservationSpec& spec() const { return spec_; }
  std::int64_t num_episodes() const { return static_cast<std::int64_t>(episodes_.size()); }
  const EpisodeInfo& episode(std::int64_t i) const { return infos_[static_cast<std::size_t>(i)]; }
  std::int64_t number(std::int64_t i) const { return episodes_[static_cast<std::size_t>(i)]; }

  // Rows of a stream of spec(). Strings have `text_bytes` bytes, at least as many as in spec().
  at::Tensor read(std::int64_t i, const std::string& stream, std::int64_t first, std::int64_t count,
                  std::int64_t text_bytes) const;
  at::Tensor actions(std::int64_t i) const;  // float [L, A]
  std::map<std::string, at::Tensor> labels(std::int64_t i) const;
  std::vector<std::filesystem::path> files() const;

 private:
  // Opening.
  void read_tasks();
  std::set<std::int64_t> choose_episodes(const DatasetOptions& options, Findings& findings);
  void open_episodes(const std::set<std::int64_t>& chosen, std::int64_t max_episodes,
                     Findings& findings);
  bool is_whole(std::int64_t episode) const;
  std::vector<Error::Parts> file_errors() const;
  std::set<std::size_t> used_files() const;
  void require_readable(const std::set<std::int64_t>& chosen, bool is_filtered,
                        Findings& findings) const;
  void leave_out_unreadable(std::set<std::int64_t>& chosen, Findings& findings);
  std::filesystem::path data_file_of(std::int64_t episode) const;
  void require_rows(std::int64_t episode) const;
  void require_tasks(std::int64_t episode) const;
  void require_values(std::int64_t i) const;
  void add_episode(std::int64_t episode);
  void refuse(std::int64_t episode, const Error::Parts& reason);
  bool remove_refused();
  std::filesystem::path video_of(std::int64_t episode, const std::string& feature) const;
  std::map<std::filesystem::path, std::vector<EpisodeWindow>> windows_of(
      const std::string& feature);
  void refuse_video(const std::vector<EpisodeWindow>& windows, const Error::Parts& error);
  std::vector<std::string> place_videos(IndexedVideos& indexed);  // returns warnings
  void check_images();
  void require_columns(Findings& findings);
  void build_spec();
  ImageSize camera_size(const CameraFeature& camera) const;
  std::int64_t text_bytes(const Feature& feature) const;
  std::size_t longest_text(std::size_t file, const Feature& feature, std::int64_t first,
                           std::int64_t count) const;

  // Reading.
  const EpisodeRows& rows_of(std::int64_t i) const { return rows_.episodes().at(number(i)); }
  at::Tensor vectors(std::int64_t i, const VectorFeature& vector, std::int64_t first,
                     std::int64_t count) const;
  at::Tensor frames(std::int64_t i, const CameraFeature& camera, std::int64_t first,
                    std::int64_t count) const;
  at::Tensor texts(std::int64_t i, const Feature& feature, std::int64_t first, std::int64_t count,
                   std::int64_t bytes) const;

  // Where the selected episodes are in a camera's videos.
  struct CameraVideos {
    std::map<std::int64_t, std::filesystem::path> file_of;  // of every selected episode
    std::map<std::int64_t, RowFrames> frames_of;
    ImageSize size;
  };

  InfoFile info_;
  Modality modality_;
  FeatureMap features_;
  EpisodeTable table_;
  RowIndex rows_;
  TaskTable tasks_;
  std::vector<std::int64_t> episodes_;  // numbers of the selected ones
  std::vector<EpisodeInfo> infos_;
  bool skips_;                                    // unreadable: skip
  std::map<std::int64_t, Error::Parts> refused_;  // chosen episodes that are left out
  std::map<std::string, CameraVideos> videos_;    // by feature
  ObservationSpec spec_;
  mutable DataFiles data_;
  mutable VideoPool pool_;
};

}  // namespace roboimi::lerobot_dataset
