// A test dataset in memory: the streams and actions of its episodes are given as tensors.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/contract/dataset.h"

namespace roboimi::app {

class RowsDataset : public Dataset {
 public:
  struct Episode {
    Observation rows;    // each [L, ...]
    at::Tensor actions;  // float [L, A]; undefined: reading fails
    std::map<std::string, at::Tensor> labels = {};
    std::optional<std::uint64_t> seed = {};
    std::optional<bool> success = {};
  };

  RowsDataset(ObservationSpec spec, std::vector<Episode> episodes)
      : spec_(std::move(spec)), episodes_(std::move(episodes)) {
    for (std::size_t i = 0; i < episodes_.size(); ++i) {
      infos_.push_back({.file = "episode_" + std::to_string(i),
                        .length = episodes_[i].rows.begin()->second.size(0),
                        .seed = episodes_[i].seed,
                        .success = episodes_[i].success});
    }
  }

  const ObservationSpec& spec() const override { return spec_; }
  std::int64_t num_episodes() const override { return static_cast<std::int64_t>(infos_.size()); }
  const EpisodeInfo& episode(std::int64_t index) const override {
    return infos_.at(static_cast<std::size_t>(index));
  }
  at::Tensor read(std::int64_t episode, const std::string& stream, std::int64_t first,
                  std::int64_t count) const override {
    return at(episode).rows.at(stream).slice(0, first, first + count);
  }
  at::Tensor actions(std::int64_t episode) const override {
    if (!at(episode).actions.defined()) throw Error({.what = "the table of actions is damaged"});
    return at(episode).actions;
  }
  std::map<std::string, at::Tensor> labels(std::int64_t episode) const override {
    return at(episode).labels;
  }

 private:
  const Episode& at(std::int64_t index) const {
    return episodes_.at(static_cast<std::size_t>(index));
  }

  ObservationSpec spec_;
  std::vector<Episode> episodes_;
  std::vector<EpisodeInfo> infos_;
};

}  // namespace roboimi::app
