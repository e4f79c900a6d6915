#include "plugins/lerobot_dataset/lerobot_dataset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "plugins/lerobot_dataset/lerobot_folder.h"
#include "roboimi/common/error.h"

namespace roboimi::lerobot_dataset {
namespace {

constexpr double kRateTolerance = 0.01;  // relative

std::string described(const StreamSpec* stream) {
  if (stream == nullptr) return "none";
  const std::string names = stream->element_names.empty()
                                ? ""
                                : fmt::format(" ({})", fmt::join(stream->element_names, ", "));
  return fmt::format("{} [{}]{}", to_string(stream->kind), fmt::join(stream->shape, ", "), names);
}

bool fit(const StreamSpec* a, const StreamSpec* b) {
  if (a == nullptr || b == nullptr || a->kind != b->kind) return false;
  if (a->kind == StreamKind::kText) return true;  // padded to the longest
  const bool are_named = !a->element_names.empty() && !b->element_names.empty();
  return a->shape == b->shape && (!are_named || a->element_names == b->element_names);
}

}  // namespace

LerobotDataset::LerobotDataset(const DatasetOptions& options) : options_(options) {
  if (!options.more_paths.empty() && !options.episodes.empty()) {
    throw Error(
        {.what = "data.episodes selects episodes of one folder",
         .where = options.path.string(),
         .expected = "data.path alone",
         .found = fmt::format("{} more folders in data.more_paths", options.more_paths.size())});
  }
  std::vector<std::filesystem::path> paths = {options.path};
  paths.insert(paths.end(), options.more_paths.begin(), options.more_paths.end());
  std::set<std::filesystem::path> seen;
  for (const std::filesystem::path& path : paths) {
    if (seen.insert(std::filesystem::weakly_canonical(path)).second) continue;
    throw Error({.what = "the folder is listed twice",
                 .where = path.string(),
                 .next = "remove it from data.more_paths"});
  }
  ROBOIMI_CHECK(options.weights.empty() || options.weights.size() == paths.size(),
                fmt::format("{} weights for {} folders", options.weights.size(), paths.size()));
  DatasetOptions of_folder = options;
  for (const std::filesystem::path& path : paths) {
    if (options.max_episodes > 0) {
      of_folder.max_episodes = options.max_episodes - num_episodes();
      if (of_folder.max_episodes == 0) break;
    }
    folders_.push_back(std::make_unique<LerobotFolder>(path, of_folder, findings_));
    join(*folders_.back());
  }
  // A folder that max_episodes leaves out cannot have its share.
  for (std::size_t i = folders_.size(); i < options.weights.size(); ++i) {
    if (options.weights[i] == 0.0) continue;
    throw Error({.what = "data.max_episodes leaves no episode of a folder that has a weight",
                 .where = paths[i].string(),
                 .expected = "weight 0, or a larger data.max_episodes",
                 .found = fmt::format("weight {}, max_episodes {}", options.weights[i],
                                      options.max_episodes)});
  }
}

LerobotDataset::~LerobotDataset() = default;

// Adds the episodes of a folder, which must have the streams of the first.
void LerobotDataset::join(const LerobotFolder& folder) {
  const std::size_t index = folders_.size() - 1;
  for (std::int64_t i = 0; i < folder.num_episodes(); ++i) {
    places_.push_back({.folder = index, .episode = i});
  }
  const ObservationSpec& added = folder.spec();
  if (index == 0) {
    spec_ = added;
    return;
  }
  const auto fail = [&](const std::string& what, const std::string& expected,
                        const std::string& found, const std::string& next) {
    throw Error({.what = "the datasets do not fit together: " + what,
                 .where = folder.info_file().string(),
                 .expected = fmt::format("{}, as in {}", expected, options_.path.string()),
                 .found = found,
                 .next = next});
  };
  const std::string next =
      "choose features that all folders have: data.camera_names, data.state, "
      "data.actions, data.streams, data.task";
  std::vector<std::string> names = spec_.names();
  for (const std::string& name : added.names()) {
    if (spec_.find(name) == nullptr) names.push_back(name);
  }
  for (const std::string& name : names) {
    if (fit(spec_.find(name), added.find(name))) continue;
    fail("the stream '" + name + "' differs", described(spec_.find(name)),
         described(added.find(name)), next);
  }
  if (spec_.action_dim != added.action_dim) {
    fail("the actions differ", fmt::format("{} elements", spec_.action_dim),
         fmt::format("{}", added.action_dim), next);
  }
  if (std::abs(spec_.control_hz - added.control_hz) > kRateTolerance * spec_.control_hz) {
    fail("the control rates differ", fmt::format("{} fps", spec_.control_hz),
         fmt::format("{} fps", added.control_hz),
         "train on folders of one rate, or resample the others");
  }
  for (StreamSpec& stream : spec_.streams) {
    if (stream.kind != StreamKind::kText) continue;
    stream.shape[0] = std::max(stream.shape[0], added.at(stream.name).shape[0]);
  }
}

std::int64_t LerobotDataset::num_episodes() const { return std::ssize(places_); }

const LerobotDataset::Place& LerobotDataset::place(std::int64_t index) const {
  ROBOIMI_CHECK(index >= 0 && index < num_episodes(), fmt::format("episode {}", index));
  return places_[static_cast<std::size_t>(index)];
}

const EpisodeInfo& LerobotDataset::episode(std::int64_t index) const {
  const Place& found = place(index);
  return folders_[found.folder]->episode(found.episode);
}

std::int64_t LerobotDataset::number(std::int64_t index) const {
  const Place& found = place(index);
  return folders_[found.folder]->number(found.episode);
}

at::Tensor LerobotDataset::read(std::int64_t index, const std::string& stream, std::int64_t first,
                                std::int64_t count) const {
  const Place& found = place(index);
  const StreamSpec* spec = spec_.find(stream);
  const std::int64_t text_bytes =
      spec != nullptr && spec->kind == StreamKind::kText ? spec->shape[0] : 0;
  return folders_[found.folder]->read(found.episode, stream, first, count, text_bytes);
}

at::Tensor LerobotDataset::actions(std::int64_t index) const {
  const Place& found = place(index);
  return folders_[found.folder]->actions(found.episode);
}

std::map<std::string, at::Tensor> LerobotDataset::labels(std::int64_t index) const {
  const Place& found = place(index);
  return folders_[found.folder]->labels(found.episode);
}

std::vector<std::filesystem::path> LerobotDataset::files() const {
  std::vector<std::filesystem::path> files;
  for (const auto& folder : folders_) {
    const std::vector<std::filesystem::path> part = folder->files();
    files.insert(files.end(), part.begin(), part.end());
  }
  return files;
}

std::vector<DatasetPart> LerobotDataset::parts() const {
  std::vector<DatasetPart> parts;
  for (std::size_t i = 0; i < options_.weights.size(); ++i) {
    const std::filesystem::path& path = i == 0 ? options_.path : options_.more_paths[i - 1];
    parts.push_back({.name = path.string(), .weight = options_.weights[i]});
  }
  if (parts.empty()) return parts;
  for (std::size_t i = 0; i < places_.size(); ++i) {
    parts[places_[i].folder].episodes.push_back(static_cast<std::int64_t>(i));
  }
  return parts;
}

}  // namespace roboimi::lerobot_dataset
