#include "plugins/zarr_dataset/zarr_dataset.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/contract/episode_selection.h"

namespace roboimi::zarr_dataset {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kListedArrays = 8;  // in a log line

}  // namespace

ZarrDataset::ZarrDataset(const DatasetOptions& options)
    : options_(options), store_(open_store(options.path)) {
  const ReplayBuffer buffer(*store_, options.unreadable);
  choose_arrays(buffer);
  choose_episodes(buffer);
  check_images();
  log_unused(buffer);
  spec_.control_hz = options.control_hz.value_or(0.0);
  if (!options.control_hz) {
    logger().warn(
        "zarr_dataset: {}: the format does not record the control rate; set data.control_hz, so "
        "that environments and other formats can check it",
        options.path.string());
  }
}

// Determines the streams, and opens the arrays that they need.
void ZarrDataset::choose_arrays(const ReplayBuffer& buffer) {
  const bool has_rule = options_.camera_names.empty() || options_.state.empty();
  if (has_rule && options_.unreadable == Unreadable::kSkip) {
    for (Error::Parts& fault : buffer.faults(/*with_cameras=*/options_.camera_names.empty())) {
      fault.found += "; arrays: " + buffer.listed();
      leave_out(Error(fault));
    }
  }
  if (options_.camera_names.empty()) options_.camera_names = buffer.cameras();
  if (options_.actions.empty()) options_.actions = buffer.default_actions();
  if (options_.state.empty()) options_.state = buffer.default_state(options_.actions);
  spec_.action_dim = use_columns(buffer, options_.actions, "data.actions", actions_);
  spec_.set(
      vector_stream(roboimi::kState, use_columns(buffer, options_.state, "data.state", state_)));
  for (const std::string& name : options_.camera_names) {
    const ArrayInfo& info = buffer.array(name, "data.camera_names");
    if (!buffer.arrays().at(name).is_camera()) {
      throw Error({.what = fmt::format("array 'data/{}' is not a camera", name),
                   .where = store_->path().string(),
                   .expected = "images [N, H, W, 3], RGB",
                   .found = info.describe(),
                   .next = "leave it out of data.camera_names, or save it in that form"});
    }
    use(buffer, name, "data.camera_names");
    spec_.set(rgb_stream(name, {info.shape[1], info.shape[2]}));
  }
}

std::int64_t ZarrDataset::use_columns(const ReplayBuffer& buffer,
                                      const std::vector<std::string>& names,
                                      const std::string& option, std::vector<Columns>& columns) {
  std::int64_t width = 0;
  for (const std::string& name : names) {
    columns.push_back(buffer.columns(name, option));
    use(buffer, columns.back().array, option);
    width += *columns.back().end - columns.back().first;
  }
  return width;
}

// Opens an array, which must have the rows of all episodes.
void ZarrDataset::use(const ReplayBuffer& buffer, const std::string& name,
                      const std::string& option) {
  const ArrayInfo& info = buffer.array(name, option);
  const std::int64_t rows = buffer.episode_ends().back();
  if (info.shape[0] < rows) {
    throw Error({.what = fmt::format("array '{}' has too few rows", info.name),
                 .where = store_->path().string(),
                 .expected = fmt::format("{} rows, the last of meta/episode_ends", rows),
                 .found = info.describe(),
                 .next = "copy or save the dataset again"});
  }
  if (arrays_.contains(name)) return;
  if (info.shape[0] > rows) {
    logger().warn(
        "zarr_dataset: {}: array '{}' has {} rows, but the last episode ends at row {}; "
        "the rest is not used",
        store_->path().string(), info.name, info.shape[0], rows);
  }
  arrays_[name] = std::make_unique<ZarrArray>(*store_, info, options_.missing_chunks);
}

// Selects episodes and checks that their chunks exist.
void ZarrDataset::choose_episodes(const ReplayBuffer& buffer) {
  const std::vector<std::int64_t>& ends = buffer.episode_ends();
  std::vector<std::int64_t> numbers(ends.size());
  for (std::size_t i = 0; i < ends.size(); ++i) numbers[i] = static_cast<std::int64_t>(i);
  std::vector<Error::Parts> faults;
  for (const std::size_t i :
       EpisodeSelection(options_.episodes).positions_in(numbers, store_->path().string())) {
    if (options_.max_episodes > 0 && num_episodes() == options_.max_episodes) break;
    const std::int64_t start = i == 0 ? 0 : ends[i - 1];
    try {
      for (const auto& [name, array] : arrays_) array->check_chunks(start, ends[i] - start);
    } catch (const Error& error) {
      if (options_.unreadable == Unreadable::kError) throw;
      Error::Parts reason = error.parts();
      reason.what = fmt::format("episode {} cannot be read: {}", numbers[i], reason.what);
      faults.push_back(std::move(reason));
      continue;
    }
    episodes_.push_back({.file = store_->path(), .length = ends[i] - start});
    first_rows_.push_back(start);
    numbers_.push_back(numbers[i]);
  }
  if (episodes_.empty()) throw Error(faults.front());
  for (const Error::Parts& fault : faults) leave_out(Error(fault));
}

void ZarrDataset::leave_out(const Error& reason) {
  left_out_.push_back(one_line_message(reason));
  logger().warn("zarr_dataset: left out: {}", left_out_.back());
}

// Reads a frame of each camera that is not stored as bytes, so that images from 0 to 1 are found
// before a cache or a conversion is begun.
void ZarrDataset::check_images() const {
  for (const std::string& name : options_.camera_names) {
    const ZarrArray& array = *arrays_.at(name);
    if (array.info().dtype != at::kByte) array.read(first_rows_.front(), 1, at::kByte);
  }
}

void ZarrDataset::log_unused(const ReplayBuffer& buffer) const {
  std::vector<std::string> unused;
  for (const auto& [name, array] : buffer.arrays()) {
    if (arrays_.contains(name)) continue;
    const bool is_listed = unused.size() < kListedArrays;
    unused.push_back(is_listed ? name + " " + array.describe() : "...");
    if (!is_listed) break;
  }
  logger().info("zarr_dataset: state: {}; arrays that are not used: {}",
                fmt::join(options_.state, ", "),
                unused.empty() ? "none" : fmt::format("{}", fmt::join(unused, ", ")));
}

std::int64_t ZarrDataset::num_episodes() const {
  return static_cast<std::int64_t>(episodes_.size());
}

const EpisodeInfo& ZarrDataset::episode(std::int64_t index) const {
  ROBOIMI_CHECK(index >= 0 && index < num_episodes(), fmt::format("episode {}", index));
  return episodes_[static_cast<std::size_t>(index)];
}

std::int64_t ZarrDataset::number(std::int64_t index) const {
  ROBOIMI_CHECK(index >= 0 && index < num_episodes(), fmt::format("episode {}", index));
  return numbers_[static_cast<std::size_t>(index)];
}

std::int64_t ZarrDataset::first_row(std::int64_t index) const {
  ROBOIMI_CHECK(index >= 0 && index < num_episodes(), fmt::format("episode {}", index));
  return first_rows_[static_cast<std::size_t>(index)];
}

at::Tensor ZarrDataset::read(std::int64_t index, const std::string& name, std::int64_t first,
                             std::int64_t count) const {
  const StreamSpec* const stream = spec_.find(name);
  if (stream == nullptr) {
    throw Error({.what = fmt::format("'{}' is not loaded", name),
                 .where = store_->path().string(),
                 .expected = fmt::format("one of {}", fmt::join(spec_.names(), ", ")),
                 .next = "add it to data.camera_names"});
  }
  const std::int64_t length = episode(index).length;
  if (first < 0 || count < 0 || first > length || count > length - first) {
    throw Error({.what = fmt::format("rows out of range in episode {}", number(index)),
                 .where = store_->path().string(),
                 .expected = fmt::format("rows 0 to {}", length - 1),
                 .found = fmt::format("{} rows from {}", count, first)});
  }
  const std::int64_t start = first_row(index) + first;
  if (stream->kind == StreamKind::kRgb) return arrays_.at(name)->read(start, count, at::kByte);
  return joined(state_, start, count);
}

at::Tensor ZarrDataset::actions(std::int64_t index) const {
  return joined(actions_, first_row(index), episode(index).length);
}

// Rows of several tables side by side, float [count, n].
at::Tensor ZarrDataset::joined(const std::vector<Columns>& columns, std::int64_t first,
                               std::int64_t count) const {
  std::vector<at::Tensor> parts;
  for (const Columns& part : columns) {
    at::Tensor rows = arrays_.at(part.array)->read(first, count, at::kFloat);
    if (rows.dim() == 1) rows = rows.unsqueeze(1);
    parts.push_back(rows.slice(1, part.first, part.end));
  }
  return at::cat(parts, 1);
}

std::vector<fs::path> ZarrDataset::files() const {
  std::set<fs::path> files = {store_->file_of("meta/episode_ends/.zarray")};
  for (const auto& [name, array] : arrays_) {
    for (const fs::path& file : array->files()) files.insert(file);
  }
  return {files.begin(), files.end()};
}

}  // namespace roboimi::zarr_dataset
