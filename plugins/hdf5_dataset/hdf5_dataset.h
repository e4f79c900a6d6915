// A dataset of demonstrations in ACT's layout: one HDF5 file per episode.
//
//   Hdf5Dataset dataset({.path = "data/sim_transfer", .camera_names = {"front", "top"}});
//   at::Tensor actions = dataset.actions(0);   // [L, A]
//
// See README.md for the layout.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "plugins/hdf5_dataset/camera_frames.h"
#include "plugins/hdf5_dataset/control_rate.h"
#include "plugins/hdf5_dataset/stream_labels.h"
#include "plugins/hdf5_dataset/unreadable.h"
#include "roboimi/config/schema.h"
#include "roboimi/contract/dataset.h"
#include "roboimi/contract/leaves_out.h"

namespace roboimi::hdf5_dataset {

struct DatasetOptions {
  std::filesystem::path path;                  // a folder of episode_N.hdf5, or one file
  std::vector<std::string> camera_names = {};  // cameras to load, in this order; empty: all
  // Additional streams to load from /observations; empty: `task`, if every episode has it as text.
  std::vector<std::string> stream_names = {};
  std::optional<double> control_hz = {};   // replaces the recorded rates
  std::vector<std::string> episodes = {};  // numbers N and ranges; empty: all
  std::int64_t max_episodes = 0;           // use only the first N; 0: all
  // In episodes whose attribute `sim` is false, row t gets the action recorded at row t - 1, as in
  // ACT's training.
  bool shift_real_actions = true;
  Unreadable unreadable = Unreadable::kError;
};

class Hdf5Dataset : public Dataset, public LeavesOut {
 public:
  // Opens every file once and checks that it matches the others. An Error names a file that is not
  // HDF5, truncated or not closed, in which a camera or table is missing or has an unsupported
  // layout, or whose number of rows or sizes differ; `unreadable: skip` leaves such files out,
  // unless no other is left. Unused datasets and invalid attributes are logged.
  explicit Hdf5Dataset(const DatasetOptions& options);
  ~Hdf5Dataset() override;

  const ObservationSpec& spec() const override { return spec_; }
  std::int64_t num_episodes() const override;
  const EpisodeInfo& episode(std::int64_t index) const override;
  at::Tensor read(std::int64_t episode, const std::string& stream, std::int64_t first,
                  std::int64_t count) const override;
  at::Tensor actions(std::int64_t episode) const override;
  std::map<std::string, at::Tensor> labels(std::int64_t episode) const override;
  std::optional<FrameExtent> frame_extent(std::int64_t episode, const std::string& camera,
                                          std::int64_t row) const override;
  std::vector<std::filesystem::path> files() const override;
  std::vector<std::string> left_out() const override { return left_out_; }

 private:
  void add_file(const std::filesystem::path& path, ReadingNotes& notes,
                std::vector<RecordedRate>& rates);
  void add_episode(const Hdf5File& file, ReadingNotes& notes);
  void drop_incomplete(const std::string& stream, std::int64_t num_missing);
  void log_shift() const;
  void add_sizes(const Hdf5File& file, std::int64_t state_dim, std::int64_t action_dim,
                 std::int64_t env_state_dim);
  void add_cameras(const Hdf5File& file, std::int64_t length, std::vector<std::string>& read);
  void add_streams(const Hdf5File& file, std::int64_t length, std::vector<std::string>& read);
  void add_stream(const Hdf5File& file, const StreamSpec& stream);
  const StreamSpec& stream(const std::string& name) const;  // throws Error if it is not loaded
  void check_rows(std::int64_t episode, std::int64_t first, std::int64_t count) const;
  ImageSize image_size(const Hdf5File& file, const std::string& camera, std::int64_t length) const;

  DatasetOptions options_;
  ObservationSpec spec_;
  std::vector<EpisodeInfo> episodes_;
  std::vector<bool> is_real_;                 // per episode: its attribute `sim` is false
  std::vector<std::string> env_state_names_;  // per episode; empty: not recorded
  std::int64_t num_tasks_ = 0;                // episodes whose stream `task` was loaded
  StreamLabels labels_;
  std::set<std::filesystem::path> other_files_;  // files that the episodes link to
  std::vector<std::string> left_out_;            // reasons
  mutable FrameOffsets offsets_;
};

Schema dataset_schema();
std::shared_ptr<Dataset> create_dataset(const Options& options);

}  // namespace roboimi::hdf5_dataset
