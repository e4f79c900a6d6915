// A dataset in diffusion_policy's zarr layout: a ReplayBuffer in a folder or a zip archive.
//
//   ZarrDataset dataset({.path = "pusht_cchi_v7_replay.zarr", .state = {"state[0:2]"}});
//   at::Tensor actions = dataset.actions(0);   // [L, A]
//
// See README.md for the layout.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plugins/zarr_dataset/replay_buffer.h"
#include "plugins/zarr_dataset/zarr_array.h"
#include "roboimi/common/error.h"
#include "roboimi/config/schema.h"
#include "roboimi/contract/dataset.h"
#include "roboimi/contract/leaves_out.h"

namespace roboimi::zarr_dataset {

struct DatasetOptions {
  std::filesystem::path path;                  // a folder or a zip archive
  std::vector<std::string> camera_names = {};  // arrays in data/; empty: every [N, H, W, 3]
  std::vector<std::string> state = {};         // vectors, joined in this order; empty: by rule
  std::vector<std::string> actions = {};       // vectors, joined in this order; empty: by rule
  std::optional<double> control_hz = {};
  std::vector<std::string> episodes = {};  // numbers and ranges; empty: all
  std::int64_t max_episodes = 0;           // use only the first N; 0: all
  MissingChunks missing_chunks = MissingChunks::kError;
  Unreadable unreadable = Unreadable::kError;
};

class ZarrDataset : public Dataset, public LeavesOut {
 public:
  // Checks the arrays that are used and that their chunks exist for every episode that is selected.
  // Throws Error for another layout, a missing array or chunk, an unknown codec and arrays whose
  // rows do not fit the episodes. `unreadable: skip` leaves out episodes with a missing chunk,
  // unless no other is left, and arrays that cannot be read, if a default rule would choose them.
  explicit ZarrDataset(const DatasetOptions& options);

  const ObservationSpec& spec() const override { return spec_; }
  std::int64_t num_episodes() const override;
  const EpisodeInfo& episode(std::int64_t index) const override;
  at::Tensor read(std::int64_t episode, const std::string& stream, std::int64_t first,
                  std::int64_t count) const override;
  at::Tensor actions(std::int64_t episode) const override;
  std::vector<std::filesystem::path> files() const override;

  std::vector<std::string> left_out() const override { return left_out_; }

  // The position of the episode in meta/episode_ends.
  std::int64_t number(std::int64_t episode) const;

 private:
  void choose_arrays(const ReplayBuffer& buffer);
  void choose_episodes(const ReplayBuffer& buffer);
  void check_images() const;
  void leave_out(const Error& reason);
  void use(const ReplayBuffer& buffer, const std::string& name, const std::string& option);
  std::int64_t use_columns(const ReplayBuffer& buffer, const std::vector<std::string>& names,
                           const std::string& option, std::vector<Columns>& columns);
  void log_unused(const ReplayBuffer& buffer) const;
  at::Tensor joined(const std::vector<Columns>& columns, std::int64_t first,
                    std::int64_t count) const;
  std::int64_t first_row(std::int64_t episode) const;

  DatasetOptions options_;
  std::unique_ptr<Store> store_;
  ObservationSpec spec_;
  std::map<std::string, std::unique_ptr<ZarrArray>> arrays_;  // those that are used
  std::vector<Columns> state_, actions_;
  std::vector<EpisodeInfo> episodes_;
  std::vector<std::int64_t> numbers_, first_rows_;  // per episode
  std::vector<std::string> left_out_;               // reasons
};

Schema dataset_schema();
std::shared_ptr<Dataset> create_dataset(const Options& options);

}  // namespace roboimi::zarr_dataset
