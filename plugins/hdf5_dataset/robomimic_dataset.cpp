#include "plugins/hdf5_dataset/robomimic_dataset.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "plugins/hdf5_dataset/episode_files.h"
#include "plugins/hdf5_dataset/robomimic_keys.h"
#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/config/did_you_mean.h"
#include "roboimi/contract/episode_selection.h"

namespace roboimi::hdf5_dataset {
namespace {

namespace fs = std::filesystem;

constexpr double kSameRate = 0.02;  // relative difference of control rates

std::string obs_name(const Demo& demo, const std::string& key) {
  return demo.group() + "/obs/" + key;
}

// The demonstrations that the options select.
std::vector<Demo> selected_demos(const Hdf5File& file, const RobomimicOptions& options) {
  std::vector<Demo> demos = demos_of(file);
  if (!options.filter_key.empty()) demos = filtered_demos(file, demos, options.filter_key);
  std::vector<std::int64_t> numbers;
  for (const Demo& demo : demos) numbers.push_back(demo.number);
  std::vector<Demo> selected;
  for (const std::size_t position :
       EpisodeSelection(options.episodes).positions_in(numbers, options.path.string())) {
    selected.push_back(demos[position]);
  }
  if (options.max_episodes > 0 &&
      selected.size() > static_cast<std::size_t>(options.max_episodes)) {
    selected.resize(static_cast<std::size_t>(options.max_episodes));
  }
  return selected;
}

double control_rate(const Hdf5File& file, const std::optional<double>& configured) {
  const std::optional<double> recorded = recorded_control_hz(file);
  if (!configured && !recorded) {
    logger().warn(
        "robomimic_dataset: {}: the control rate is not recorded; set data.control_hz, so that "
        "environments and other formats can check it",
        file.path().string());
  }
  if (configured && recorded && std::abs(*configured - *recorded) > kSameRate * *recorded) {
    logger().warn(
        "robomimic_dataset: {}: using data.control_hz, {} Hz, instead of the recorded {} Hz",
        file.path().string(), *configured, *recorded);
  }
  return configured.value_or(recorded.value_or(0.0));
}

void check_is_file(const fs::path& path) {
  if (!fs::is_directory(path)) return;
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path)) {
    const std::string extension = entry.path().extension().string();
    if (extension == ".hdf5" || extension == ".h5") names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  if (const std::vector<std::string> episodes = episode_names(path); !episodes.empty()) {
    throw Error({.what = "the path is a folder of another format",
                 .where = path.string(),
                 .expected = "one HDF5 file with all demonstrations",
                 .found = fmt::format("{} files of ACT's layout ({}{})", episodes.size(),
                                      episodes.front(), episodes.size() > 1 ? ", ..." : ""),
                 .next = "read it with data=hdf5 data.path=" + path.string()});
  }
  if (const FolderFormat format = known_format(path); !format.name.empty()) {
    throw Error({.what = "the path is a folder of another format",
                 .where = path.string(),
                 .expected = "one HDF5 file with all demonstrations",
                 .found = format.name,
                 .next = format.next});
  }
  throw Error({.what = "the path is a folder",
               .where = path.string(),
               .expected = "one HDF5 file with all demonstrations",
               .found = names.empty() ? "no HDF5 files" : "a folder with " + shortened(names),
               .next = names.empty() ? "set data.path to the file"
                                     : "data.path=" + (path / names.front()).string()});
}

// The number of columns of numbers [L] or [L, n]; 0 for other shapes.
std::int64_t columns(const std::vector<std::int64_t>& shape) {
  if (shape.size() == 1) return 1;
  return shape.size() == 2 ? shape[1] : 0;
}

// Rows of several tables of numbers side by side, float [count, n].
at::Tensor joined_columns(const Hdf5File& file, const std::vector<std::string>& datasets,
                          std::int64_t first, std::int64_t count) {
  std::vector<at::Tensor> parts;
  for (const std::string& dataset : datasets) {
    const at::Tensor rows = file.read_rows(dataset, first, count, at::kFloat);
    parts.push_back(rows.dim() == 1 ? rows.unsqueeze(1) : rows);
  }
  return at::cat(parts, 1);
}

}  // namespace

RobomimicDataset::RobomimicDataset(const RobomimicOptions& options) : options_(options) {
  check_is_file(options.path);
  const Hdf5File file(options.path, kRobomimicLayout);
  const std::vector<Demo> selected = selected_demos(file, options);
  spec_.control_hz = control_rate(file, options.control_hz);

  // The first demonstration determines the keys, and every demonstration is checked.
  if (options_.actions.empty()) options_.actions = {"actions"};
  for (const Demo& demo : selected) {
    const RobomimicOptions options_before = options_;
    const ObservationSpec spec_before = spec_;
    try {
      if (demos_.empty()) choose_keys(file, demo);
      demos_.push_back(demo);
      add_demo(file, demo);
    } catch (const Error& error) {
      const bool is_last_hope = episodes_.empty() && demo.name == selected.back().name;
      if (options.unreadable == Unreadable::kError || is_last_hope) throw;
      leave_out(error, left_out_);
      demos_.resize(episodes_.size());
      options_ = options_before;
      spec_ = spec_before;
    }
  }
}

// Chooses the cameras and the keys of the state that the options leave open, and logs unused keys.
void RobomimicDataset::choose_keys(const Hdf5File& file, const Demo& demo) {
  const std::vector<ObservationKey> keys = observation_keys(file, demo);
  if (options_.state.empty()) options_.state = default_state_keys(file, keys);
  if (options_.camera_names.empty()) options_.camera_names = default_camera_keys(file, demo, keys);
  std::vector<std::string> names;
  std::vector<ObservationKey> unused;
  const auto is_used = [&](const std::string& name) {
    return std::ranges::count(options_.state, name) +
               std::ranges::count(options_.camera_names, name) >
           0;
  };
  for (const ObservationKey& key : keys) {
    names.push_back(key.name);
    if (!is_used(key.name)) unused.push_back(key);
  }

  // Name a key of the config that does not exist, with the keys that do.
  for (const auto& [option, wanted] : {std::pair{"data.camera_names", options_.camera_names},
                                       std::pair{"data.state", options_.state}}) {
    for (const std::string& name : wanted) {
      if (std::ranges::count(names, name) > 0) continue;
      throw Error({.what = fmt::format("{} has no observation '{}'", demo.name, name),
                   .where = file.path().string(),
                   .expected = keys.empty() ? "observations" : "one of " + listed_keys(keys),
                   .next = did_you_mean(name, names, fmt::format("set {}", option))});
    }
  }
  if (!unused.empty()) {
    logger().info("robomimic_dataset: state: {}; observations that are not used: {}",
                  fmt::join(options_.state, ", "), listed_keys(unused));
  }
}

// The names of all datasets of a demonstration that are read.
std::vector<std::string> RobomimicDataset::datasets_of(const Demo& demo) const {
  std::vector<std::string> datasets;
  for (const std::string& name : options_.actions) datasets.push_back(demo.group() + "/" + name);
  for (const std::string& key : options_.state) datasets.push_back(obs_name(demo, key));
  for (const std::string& key : options_.camera_names) datasets.push_back(obs_name(demo, key));
  return datasets;
}

void RobomimicDataset::add_demo(const Hdf5File& file, const Demo& demo) {
  // Actions determine the length.
  const std::string action = demo.group() + "/" + options_.actions.front();
  const bool is_first = episodes_.empty();
  require_datasets(file, demo, {action}, is_first);
  const std::vector<std::int64_t> shape = file.shape(action);
  const std::int64_t length = shape.empty() ? 0 : shape[0];
  if (length == 0) {
    throw Error({.what = demo.name + " has no rows",
                 .where = file.path().string() + ": " + action,
                 .expected = "actions [L, A]",
                 .found = file.describe(action),
                 .next = "leave it out with data.episodes, or remove it from the file"});
  }
  const std::vector<std::string> read = datasets_of(demo);
  require_datasets(file, demo, read, is_first);
  std::int64_t action_dim = 0, state_dim = 0;
  for (const std::string& name : options_.actions) {
    action_dim += vector_width(file, demo.group() + "/" + name, length);
  }
  for (const std::string& key : options_.state) {
    state_dim += vector_width(file, obs_name(demo, key), length);
  }

  // Sizes must match those of the other demonstrations.
  if (is_first) spec_.action_dim = action_dim;
  if (is_first) spec_.set(vector_stream(roboimi::kState, state_dim));
  check_size(file, "the actions of " + demo.name, spec_.action_dim, action_dim);
  check_size(file, "the state of " + demo.name, spec_.state_dim(), state_dim);
  for (const std::string& camera : options_.camera_names) {
    const std::string name = obs_name(demo, camera);
    const ImageSize size = frame_size(file, name, demo.name + "/" + camera, length);
    if (is_first) spec_.set(rgb_stream(camera, size));
    const std::string what = fmt::format("camera '{}' of {}", camera, demo.name);
    check_size(file, "the height of " + what, spec_.image_size(camera).height, size.height);
    check_size(file, "the width of " + what, spec_.image_size(camera).width, size.width);
  }

  // Linked files and attributes.
  for (const std::string& name : read) {
    for (const fs::path& other : file.other_files(name)) other_files_.insert(other);
  }
  episodes_.push_back({.file = file.path(),
                       .length = length,
                       .seed = file.integer_attribute("seed", demo.group()).value,
                       .success = file.boolean_attribute("success", demo.group()).value});
}

// The number of columns of a dataset of numbers with one row per action.
std::int64_t RobomimicDataset::vector_width(const Hdf5File& file, const std::string& dataset,
                                            std::int64_t num_rows) const {
  const ObservationKey key{
      .name = dataset, .type = file.type(dataset), .shape = file.shape(dataset)};
  if (!key.is_vector()) {
    throw Error({.what = "'" + dataset + "' is not a table of numbers",
                 .where = file.path().string(),
                 .expected = fmt::format("integers or floats [{0}] or [{0}, n]", num_rows),
                 .found = file.describe(dataset)});
  }
  if (key.shape[0] != num_rows) {
    throw Error({.what = "'" + dataset + "' and the actions have different numbers of rows",
                 .where = file.path().string(),
                 .expected = fmt::format("{} rows, as in '{}'", num_rows, options_.actions.front()),
                 .found = fmt::format("{}", key.shape[0]),
                 .next = "cut the demonstration to the rows that they have in common, or leave it "
                         "out with data.episodes"});
  }
  file.check_readable(dataset);
  return columns(key.shape);
}

void RobomimicDataset::check_size(const Hdf5File& file, const std::string& what,
                                  std::int64_t expected, std::int64_t found) const {
  if (expected == found) return;
  throw Error({.what = what + " does not match " + demos_.front().name,
               .where = file.path().string(),
               .expected = std::to_string(expected),
               .found = std::to_string(found),
               .next = "keep demonstrations of different robots or settings in different files, or "
                       "select some with data.episodes"});
}

std::int64_t RobomimicDataset::num_episodes() const {
  return static_cast<std::int64_t>(episodes_.size());
}

const EpisodeInfo& RobomimicDataset::episode(std::int64_t index) const {
  ROBOIMI_CHECK(index >= 0 && index < num_episodes(), fmt::format("episode {}", index));
  return episodes_[static_cast<std::size_t>(index)];
}

const Demo& RobomimicDataset::demo(std::int64_t index) const {
  ROBOIMI_CHECK(index >= 0 && index < num_episodes(), fmt::format("episode {}", index));
  return demos_[static_cast<std::size_t>(index)];
}

std::int64_t RobomimicDataset::number(std::int64_t index) const { return demo(index).number; }

const StreamSpec& RobomimicDataset::stream(const std::string& name) const {
  if (const StreamSpec* found = spec_.find(name)) return *found;
  throw Error({.what = fmt::format("'{}' is not loaded", name),
               .where = options_.path.string(),
               .expected = fmt::format("one of {}", fmt::join(spec_.names(), ", ")),
               .next = "add it to data.camera_names"});
}

at::Tensor RobomimicDataset::read(std::int64_t index, const std::string& name, std::int64_t first,
                                  std::int64_t count) const {
  const StreamSpec& found = stream(name);
  const EpisodeInfo& info = episode(index);
  if (first < 0 || count < 0 || first > info.length || count > info.length - first) {
    throw Error({.what = "rows out of range in " + demo(index).name,
                 .where = info.file.string(),
                 .expected = fmt::format("rows 0 to {}", info.length - 1),
                 .found = fmt::format("{} rows from {}", count, first)});
  }
  const Hdf5File file(info.file, kRobomimicLayout);
  if (found.kind == StreamKind::kRgb) {
    return read_frames(file, obs_name(demo(index), name), demo(index).name + "/" + name,
                       found.size(), info.length, first, count);
  }

  std::vector<std::string> datasets;
  for (const std::string& key : options_.state) datasets.push_back(obs_name(demo(index), key));
  return joined_columns(file, datasets, first, count);
}

at::Tensor RobomimicDataset::actions(std::int64_t index) const {
  const Hdf5File file(episode(index).file, kRobomimicLayout);
  std::vector<std::string> datasets;
  for (const std::string& key : options_.actions) {
    datasets.push_back(demo(index).group() + "/" + key);
  }
  return joined_columns(file, datasets, 0, episode(index).length);
}

std::optional<FrameExtent> RobomimicDataset::frame_extent(std::int64_t index,
                                                          const std::string& camera,
                                                          std::int64_t row) const {
  if (stream(camera).kind != StreamKind::kRgb || row < 0 || row >= episode(index).length) {
    return std::nullopt;
  }
  return offsets_.find(episode(index).file, obs_name(demo(index), camera), row);
}

std::vector<fs::path> RobomimicDataset::files() const {
  std::vector<fs::path> files = {options_.path};
  files.insert(files.end(), other_files_.begin(), other_files_.end());
  return files;
}

}  // namespace roboimi::hdf5_dataset
