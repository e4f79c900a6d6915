// A dataset in robomimic's layout: one HDF5 file with many demonstrations.
//
//   RobomimicDataset dataset({.path = "lift/ph/image.hdf5"});
//   at::Tensor actions = dataset.actions(0);   // [L, A]
//
// See README.md for the layout.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plugins/hdf5_dataset/camera_frames.h"
#include "plugins/hdf5_dataset/robomimic_layout.h"
#include "plugins/hdf5_dataset/unreadable.h"
#include "roboimi/config/schema.h"
#include "roboimi/contract/dataset.h"
#include "roboimi/contract/leaves_out.h"

namespace roboimi::hdf5_dataset {

struct RobomimicOptions {
  std::filesystem::path path;
  std::vector<std::string> camera_names = {};  // keys of obs; empty: every uint8 [L, H, W, 3]
  std::vector<std::string> state = {};         // keys of obs, joined in this order; empty: by rule
  std::vector<std::string> actions = {};       // datasets of a demonstration; empty: actions
  std::string filter_key = {};                 // a list in /mask; empty: all demonstrations
  std::optional<double> control_hz = {};       // replaces the recorded rate
  std::vector<std::string> episodes = {};      // numbers and ranges of demonstrations; empty: all
  std::int64_t max_episodes = 0;               // use only the first N; 0: all
  Unreadable unreadable = Unreadable::kError;
};

class RobomimicDataset : public Dataset, public LeavesOut {
 public:
  // Opens the file once and checks every demonstration that is selected. Throws Error for a file of
  // another layout, a missing key, sizes or numbers of rows that differ, and masks that do not fit;
  // `unreadable: skip` leaves out the demonstrations at fault, unless no other is left.
  explicit RobomimicDataset(const RobomimicOptions& options);

  const ObservationSpec& spec() const override { return spec_; }
  std::int64_t num_episodes() const override;
  const EpisodeInfo& episode(std::int64_t index) const override;
  at::Tensor read(std::int64_t episode, const std::string& stream, std::int64_t first,
                  std::int64_t count) const override;
  at::Tensor actions(std::int64_t episode) const override;
  std::optional<FrameExtent> frame_extent(std::int64_t episode, const std::string& camera,
                                          std::int64_t row) const override;
  std::vector<std::filesystem::path> files() const override;
  std::vector<std::string> left_out() const override { return left_out_; }

  // The number N of the demonstration "demo_N".
  std::int64_t number(std::int64_t episode) const;

 private:
  void choose_keys(const Hdf5File& file, const Demo& demo);
  std::vector<std::string> datasets_of(const Demo& demo) const;
  void add_demo(const Hdf5File& file, const Demo& demo);
  std::int64_t vector_width(const Hdf5File& file, const std::string& dataset,
                            std::int64_t num_rows) const;
  void check_size(const Hdf5File& file, const std::string& what, std::int64_t expected,
                  std::int64_t found) const;
  const Demo& demo(std::int64_t episode) const;
  const StreamSpec& stream(const std::string& name) const;

  RobomimicOptions options_;
  ObservationSpec spec_;
  std::vector<Demo> demos_;
  std::vector<EpisodeInfo> episodes_;
  std::set<std::filesystem::path> other_files_;  // files that the datasets link to
  std::vector<std::string> left_out_;            // reasons
  mutable FrameOffsets offsets_;
};

Schema robomimic_schema();
std::shared_ptr<Dataset> create_robomimic(const Options& options);

}  // namespace roboimi::hdf5_dataset
