// A dataset of demonstrations in LeRobot's format, versions 2.0, 2.1 and 3.0.
//
//   LerobotDataset dataset({.path = "data/aloha_transfer"});
//   at::Tensor actions = dataset.actions(0);               // float [L, A]
//   at::Tensor frames = dataset.read(0, "front", 0, 32);   // uint8 [32, H, W, 3]
//
// See README.md for the rules that map features to streams.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "plugins/lerobot_dataset/findings.h"
#include "roboimi/config/schema.h"
#include "roboimi/contract/dataset.h"
#include "roboimi/contract/leaves_out.h"

namespace roboimi::lerobot_dataset {

class LerobotFolder;

// What to do about an episode whose rows, videos or images cannot be read.
enum class UnreadableEpisodes { kError, kSkip };

struct DatasetOptions {
  std::filesystem::path path;                     // the folder with meta/, data/ and videos/
  std::vector<std::filesystem::path> more_paths;  // folders whose episodes follow
  std::vector<double> weights;                    // of path and more_paths; empty: no weights
  std::vector<std::string> camera_names;          // empty: all cameras
  std::vector<std::string> state;                 // features; empty: by the default rule
  std::vector<std::string> actions;               // features; empty: by the default rule
  std::vector<std::string> streams;               // additional features
  std::string task = "task_index";                // column of the instruction
  std::vector<std::string> episodes;              // numbers and ranges; empty: all
  std::int64_t max_episodes = 0;                  // use only the first N; 0: all
  UnreadableEpisodes unreadable = UnreadableEpisodes::kError;
};

class LerobotDataset : public Dataset, public LeavesOut {
 public:
  // Reads all tables, the index columns of all rows and the packet lists of the videos, and checks
  // that they fit together. An Error names the file and what does not fit; `unreadable: skip`
  // leaves the episode out instead, unless no other is left. Harmless contradictions are logged
  // (see findings()).
  explicit LerobotDataset(const DatasetOptions& options);
  ~LerobotDataset() override;

  const ObservationSpec& spec() const override { return spec_; }
  std::int64_t num_episodes() const override;
  const EpisodeInfo& episode(std::int64_t index) const override;
  at::Tensor read(std::int64_t episode, const std::string& stream, std::int64_t first,
                  std::int64_t count) const override;
  at::Tensor actions(std::int64_t episode) const override;
  // The features label.NAME.
  std::map<std::string, at::Tensor> labels(std::int64_t episode) const override;
  std::vector<std::filesystem::path> files() const override;
  std::vector<std::string> left_out() const override { return findings_.left_out(); }
  // The folders, if they have weights.
  std::vector<DatasetPart> parts() const override;

  // The number of an episode in its folder.
  std::int64_t number(std::int64_t episode) const;
  const Findings& findings() const { return findings_; }

 private:
  struct Place {
    std::size_t folder = 0;
    std::int64_t episode = 0;  // in the folder's list
  };
  void join(const LerobotFolder& folder);
  const Place& place(std::int64_t episode) const;

  DatasetOptions options_;
  Findings findings_;
  std::vector<std::unique_ptr<LerobotFolder>> folders_;
  std::vector<Place> places_;  // of every episode
  ObservationSpec spec_;
};

Schema dataset_schema();
std::shared_ptr<Dataset> create_dataset(const Options& options);

}  // namespace roboimi::lerobot_dataset
