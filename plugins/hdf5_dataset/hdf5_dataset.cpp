#include "plugins/hdf5_dataset/hdf5_dataset.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "plugins/hdf5_dataset/camera_layout.h"
#include "plugins/hdf5_dataset/control_rate.h"
#include "plugins/hdf5_dataset/encoded_frame.h"
#include "plugins/hdf5_dataset/episode_files.h"
#include "plugins/hdf5_dataset/episode_tables.h"
#include "plugins/hdf5_dataset/hdf5_file.h"
#include "plugins/hdf5_dataset/reading_notes.h"
#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/config/did_you_mean.h"

namespace roboimi::hdf5_dataset {
namespace {

namespace fs = std::filesystem;

std::string image_name(const std::string& camera) { return std::string(kImages) + "/" + camera; }

[[noreturn]] void fail_size(const Hdf5File& file, const std::string& what,
                            const std::string& expected, const std::string& found) {
  throw Error({.what = what,
               .where = file.path().string(),
               .expected = expected,
               .found = found,
               .next = "keep episodes of different robots or settings in different folders"});
}

}  // namespace

Hdf5Dataset::Hdf5Dataset(const DatasetOptions& options) {
  spec_.camera_names = options.camera_names;
  std::vector<fs::path> files = episode_files(options.path);
  if (options.max_episodes > 0 && files.size() > static_cast<std::size_t>(options.max_episodes)) {
    files.resize(static_cast<std::size_t>(options.max_episodes));
  }
  ReadingNotes notes;
  std::vector<RecordedRate> rates;
  for (const fs::path& path : files) {
    const Hdf5File file(path);
    add_episode(file, notes);
    const auto hz = notes.value_of(file, "control_hz", file.number_attribute("control_hz"));
    if (hz && std::isfinite(*hz) && *hz > 0.0) rates.push_back({.file = path, .hz = *hz});
  }
  spec_.control_hz = common_control_rate(rates);
  // The privileged state counts only when every episode has it.
  const auto missing = std::count(env_state_names_.begin(), env_state_names_.end(), "");
  if (missing > 0 && spec_.env_state_dim > 0) {
    logger().info("hdf5_dataset: env_state is left out: {} of {} episodes have none", missing,
                  num_episodes());
    spec_.env_state_dim = 0;
  }
  notes.log();
}

Hdf5Dataset::~Hdf5Dataset() = default;

void Hdf5Dataset::add_episode(const Hdf5File& file, ReadingNotes& notes) {
  const auto states = table_shape(file, kState);
  const std::int64_t length = states[0];
  const std::int64_t action_dim =
      table_width(file, kAction, length,
                  "row t of /action is the command sent after row t of /observations/qpos was "
                  "observed: record the missing row, or cut both to the rows that they share");
  if (length == 0) {
    throw Error({.what = "the episode has no rows",
                 .where = file.path().string(),
                 .next = "take it out of the folder"});
  }
  const std::string env_state = env_state_name(file);
  const std::int64_t env_state_dim =
      env_state.empty() ? 0
                        : table_width(file, env_state, length,
                                      "record it with the states, or delete it: it is optional");
  std::vector<std::string> read = {kState, kAction};
  if (!env_state.empty()) read.push_back(env_state);
  if (has_velocities(file, length)) read.emplace_back(kVelocity);
  for (const std::string& name : file.children(kLabels)) {
    read.push_back(fmt::format("{}/{}", kLabels, name));
    table_width(file, read.back(), length, "record it with the states, or delete it");
  }
  add_sizes(file, states[1], action_dim, env_state_dim);
  for (const std::string& camera : spec_.camera_names) {
    read.push_back(image_name(camera));
    const ImageSize size = image_size(file, camera, length);
    const ImageSize& expected = spec_.images.emplace(camera, size).first->second;
    if (size != expected) {
      fail_size(file, "frames of camera '" + camera + "' do not fit the other episodes",
                fmt::format("{}x{}", expected.height, expected.width),
                fmt::format("{}x{}", size.height, size.width));
    }
  }
  for (const std::string& name : read) {
    for (const fs::path& other : file.other_files(name)) other_files_.insert(other);
  }
  notes.add_unread(file, read);
  EpisodeInfo info{.file = file.path(), .length = length};
  info.is_sim = notes.value_of(file, "sim", file.boolean_attribute("sim")).value_or(true);
  info.seed = notes.value_of(file, "seed", file.integer_attribute("seed"));
  info.success = notes.value_of(file, "success", file.boolean_attribute("success"));
  episodes_.push_back(std::move(info));
  env_state_names_.push_back(env_state);
}

// All episodes have states, actions and privileged states of the same sizes.
void Hdf5Dataset::add_sizes(const Hdf5File& file, std::int64_t state_dim, std::int64_t action_dim,
                            std::int64_t env_state_dim) {
  if (episodes_.empty()) {
    spec_.state_dim = state_dim;
    spec_.action_dim = action_dim;
  }
  if (spec_.env_state_dim == 0) spec_.env_state_dim = env_state_dim;
  if (spec_.state_dim == state_dim && spec_.action_dim == action_dim &&
      (env_state_dim == 0 || spec_.env_state_dim == env_state_dim)) {
    return;
  }
  fail_size(file, "the episode does not fit the others",
            fmt::format("state {}, action {}, env_state {}", spec_.state_dim, spec_.action_dim,
                        spec_.env_state_dim),
            fmt::format("state {}, action {}, env_state {}", state_dim, action_dim, env_state_dim));
}

// Height and width, of plain or encoded frames.
ImageSize Hdf5Dataset::image_size(const Hdf5File& file, const std::string& camera,
                                  std::int64_t length) const {
  const std::string name = image_name(camera);
  if (!file.has(name)) {
    const std::vector<std::string> there = file.children(kImages);
    throw Error(
        {.what = fmt::format("camera '{}' is missing", camera),
         .where = file.path().string(),
         .expected = fmt::format("{}", fmt::join(spec_.camera_names, ", ")),
         .found = there.empty() ? "no cameras" : fmt::format("{}", fmt::join(there, ", ")),
         .next = did_you_mean(camera, there, "name cameras of the file in data.camera_names")});
  }
  const FrameStorage storage = frame_storage(file, name, camera, length);
  if (storage == FrameStorage::kPlain) {
    const std::vector<std::int64_t> shape = file.shape(name);
    return {.height = shape[1], .width = shape[2]};
  }
  // One size per camera is enough to know: frames() checks every frame it decodes.
  if (const auto known = spec_.images.find(camera); known != spec_.images.end()) {
    return known->second;
  }
  const EncodedFrames first(file, name, storage, 0, 1);
  const at::Tensor frame = decode_frame(first[0], file.path(), camera, 0);
  return {.height = frame.size(0), .width = frame.size(1)};
}

std::int64_t Hdf5Dataset::num_episodes() const {
  return static_cast<std::int64_t>(episodes_.size());
}

const EpisodeInfo& Hdf5Dataset::episode(std::int64_t index) const {
  ROBOIMI_CHECK(index >= 0 && index < num_episodes(), fmt::format("episode {}", index));
  return episodes_[static_cast<std::size_t>(index)];
}

at::Tensor Hdf5Dataset::state(std::int64_t index) const {
  return Hdf5File(episode(index).file).read_floats(kState);
}

at::Tensor Hdf5Dataset::actions(std::int64_t index) const {
  return Hdf5File(episode(index).file).read_floats(kAction);
}

at::Tensor Hdf5Dataset::env_state(std::int64_t index) const {
  if (spec_.env_state_dim == 0) return {};
  return Hdf5File(episode(index).file)
      .read_floats(env_state_names_[static_cast<std::size_t>(index)]);
}

std::map<std::string, at::Tensor> Hdf5Dataset::labels(std::int64_t index) const {
  const Hdf5File file(episode(index).file);
  std::map<std::string, at::Tensor> labels;
  for (const std::string& name : file.children(kLabels)) {
    labels[name] = file.read_floats(fmt::format("{}/{}", kLabels, name));
  }
  return labels;
}

std::vector<fs::path> Hdf5Dataset::files() const {
  std::vector<fs::path> files = Dataset::files();
  files.insert(files.end(), other_files_.begin(), other_files_.end());
  return files;
}

const ImageSize& Hdf5Dataset::size_of(const std::string& camera) const {
  const auto found = spec_.images.find(camera);
  if (found != spec_.images.end()) return found->second;
  throw Error({.what = fmt::format("camera '{}' is not loaded", camera),
               .where = episodes_.front().file.parent_path().string(),
               .expected = fmt::format("{}", fmt::join(spec_.camera_names, ", ")),
               .next = "name it in data.camera_names"});
}

void Hdf5Dataset::check_rows(std::int64_t index, std::int64_t first, std::int64_t count) const {
  const EpisodeInfo& info = episode(index);
  if (first >= 0 && count >= 0 && first + count <= info.length) return;
  throw Error({.what = "rows that the episode does not have",
               .where = info.file.string(),
               .expected = fmt::format("rows 0 to {}", info.length - 1),
               .found = fmt::format("{} to {}", first, first + count - 1)});
}

at::Tensor Hdf5Dataset::frames(std::int64_t index, const std::string& camera, std::int64_t first,
                               std::int64_t count) const {
  const ImageSize& size = size_of(camera);
  check_rows(index, first, count);
  const EpisodeInfo& info = episode(index);
  const Hdf5File file(info.file);
  const std::string name = image_name(camera);
  const FrameStorage storage = frame_storage(file, name, camera, info.length);
  if (storage == FrameStorage::kPlain) return file.read_bytes(name, first, count);

  // Read under the library's lock, then decode in parallel.
  const EncodedFrames encoded(file, name, storage, first, count);
  at::Tensor decoded = at::empty({count, size.height, size.width, 3}, at::kByte);
  at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const at::Tensor frame = decode_frame(encoded[i], info.file, camera, first + i);
      if (frame.size(0) != size.height || frame.size(1) != size.width) {
        fail_size(file, fmt::format("row {} of camera '{}' differs in size", first + i, camera),
                  fmt::format("{}x{}", size.height, size.width),
                  fmt::format("{}x{}", frame.size(0), frame.size(1)));
      }
      decoded[i].copy_(frame);
    }
  });
  return decoded;
}

std::optional<FrameExtent> Hdf5Dataset::frame_extent(std::int64_t index, const std::string& camera,
                                                     std::int64_t row) const {
  size_of(camera);
  check_rows(index, row, 1);
  const EpisodeInfo& info = episode(index);
  const std::lock_guard lock(offsets_mutex_);
  const auto [found, is_new] = offsets_.try_emplace({index, camera});
  if (is_new) {
    const Hdf5File file(info.file);
    const std::string name = image_name(camera);
    if (file.shape(name).size() == 4) found->second = file.row_offsets(name);
  }
  if (found->second.empty()) return std::nullopt;
  return FrameExtent{.file = info.file, .offset = found->second.at(static_cast<std::size_t>(row))};
}

}  // namespace roboimi::hdf5_dataset
