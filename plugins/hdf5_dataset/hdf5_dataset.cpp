#include "plugins/hdf5_dataset/hdf5_dataset.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "plugins/hdf5_dataset/camera_frames.h"
#include "plugins/hdf5_dataset/camera_layout.h"
#include "plugins/hdf5_dataset/encoded_frame.h"
#include "plugins/hdf5_dataset/episode_files.h"
#include "plugins/hdf5_dataset/episode_tables.h"
#include "plugins/hdf5_dataset/hdf5_file.h"
#include "plugins/hdf5_dataset/reading_notes.h"
#include "plugins/hdf5_dataset/robomimic_layout.h"
#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/config/did_you_mean.h"

namespace roboimi::hdf5_dataset {
namespace {

namespace fs = std::filesystem;

std::string image_name(const std::string& camera) { return std::string(kImages) + "/" + camera; }

// The table of a stream other than a camera. `env_state`: that of the privileged state.
std::string table_of(const StreamSpec& stream, const std::string& env_state) {
  if (stream.name == roboimi::kState) return kQpos;
  if (stream.name == roboimi::kEnvState) return env_state;
  return stream_table(stream.name);
}

[[noreturn]] void fail_size(const Hdf5File& file, const std::string& what,
                            const std::string& expected, const std::string& found) {
  throw Error({.what = what,
               .where = file.path().string(),
               .expected = expected,
               .found = found,
               .next = "store episodes of different robots or settings in different folders, or "
                       "leave such episodes out with data.unreadable=skip"});
}

// A file of the other layout gets an error that names the component for it.
void refuse_robomimic(const Hdf5File& file) {
  if (file.has(kQpos) || !has_robomimic_layout(file)) return;
  throw Error({.what = "the file does not hold an episode in ACT's layout",
               .where = file.path().string(),
               .expected = kActLayout,
               .found = kRobomimicLayout,
               .next = "read it with the component robomimic_dataset: data=robomimic data.path=" +
                       file.path().string()});
}

}  // namespace

Hdf5Dataset::Hdf5Dataset(const DatasetOptions& options) : options_(options) {
  std::vector<fs::path> files = episode_files(options.path, EpisodeSelection(options.episodes));
  if (options.max_episodes > 0 && files.size() > static_cast<std::size_t>(options.max_episodes)) {
    files.resize(static_cast<std::size_t>(options.max_episodes));
  }

  // Every episode is opened once and checked.
  ReadingNotes notes;
  std::vector<RecordedRate> rates;
  for (const fs::path& path : files) {
    const ObservationSpec spec_before = spec_;
    const std::vector<std::string> cameras_before = options_.camera_names;
    try {
      add_file(path, notes, rates);
    } catch (const Error& error) {
      const bool is_last_hope = episodes_.empty() && path == files.back();
      if (options.unreadable == Unreadable::kError || is_last_hope) throw;
      leave_out(error, left_out_);
      spec_ = spec_before;
      options_.camera_names = cameras_before;
    }
  }
  spec_.control_hz = control_rate(rates, options.control_hz);

  // The privileged state and, by default, the instruction are used only if every episode has them.
  drop_incomplete(roboimi::kEnvState, std::ranges::count(env_state_names_, ""));
  drop_incomplete(kTask, num_episodes() - num_tasks_);
  labels_.apply(spec_);
  log_shift();
  notes.log();
}

void Hdf5Dataset::drop_incomplete(const std::string& name, std::int64_t num_missing) {
  if (num_missing == 0 || spec_.find(name) == nullptr) return;
  logger().info("hdf5_dataset: {} is not used: {} of {} episodes do not have it", name, num_missing,
                num_episodes());
  std::erase_if(spec_.streams, [&](const StreamSpec& stream) { return stream.name == name; });
}

// A config of an earlier version, which shifted only with `alignment: act`, reads other pairs now.
void Hdf5Dataset::log_shift() const {
  const auto shifted = options_.shift_real_actions ? std::ranges::count(is_real_, true) : 0;
  if (shifted == 0) return;
  logger().info(
      "hdf5_dataset: {} of {} episodes are of a real robot (sim is false): row t is paired with "
      "the "
      "action of row t - 1; if row t holds the command sent after it was observed, set "
      "data.shift_real_actions=false",
      shifted, num_episodes());
}

Hdf5Dataset::~Hdf5Dataset() = default;

void Hdf5Dataset::add_file(const fs::path& path, ReadingNotes& notes,
                           std::vector<RecordedRate>& rates) {
  const Hdf5File file(path);
  refuse_robomimic(file);
  if (options_.camera_names.empty()) options_.camera_names = color_cameras(file, kImages);
  add_episode(file, notes);
  const auto hz = notes.value_of(file, "control_hz", file.number_attribute("control_hz"));
  if (hz && std::isfinite(*hz) && *hz > 0.0) rates.push_back({.file = path, .hz = *hz});
}

void Hdf5Dataset::add_episode(const Hdf5File& file, ReadingNotes& notes) {
  // States and actions.
  const auto states = table_shape(file, kQpos);
  const std::int64_t length = states[0];
  const std::int64_t action_dim =
      table_width(file, kAction, length,
                  "row t of /action is the command sent after row t of /observations/qpos was "
                  "observed: record the missing row, or cut both to the rows they have in common");
  if (length == 0) {
    throw Error({.what = "the episode has no rows",
                 .where = file.path().string(),
                 .next = "remove it from the folder"});
  }

  // Optional tables: privileged state, velocities, labels.
  const std::string env_state = env_state_name(file);
  const std::int64_t env_state_dim =
      env_state.empty() ? 0
                        : table_width(file, env_state, length,
                                      "record one row per state, or delete it: it is optional");
  std::vector<std::string> read = {kQpos, kAction};
  if (!env_state.empty()) read.push_back(env_state);
  if (has_velocities(file, length)) read.emplace_back(kQvel);
  for (const std::string& name : file.children(kLabels)) {
    read.push_back(fmt::format("{}/{}", kLabels, name));
    table_width(file, read.back(), length, "record one row per state, or delete it");
  }

  // Everything must match the other episodes.
  add_sizes(file, states[1], action_dim, env_state_dim);
  add_cameras(file, length, read);
  add_streams(file, length, read);

  // Linked files, unused datasets and attributes.
  for (const StreamSpec& stream : spec_.streams) {
    const std::string table = table_of(stream, env_state);
    if (std::ranges::count(read, table) > 0) labels_.add(file, table, stream, notes);
  }
  num_tasks_ += std::ranges::count(read, stream_table(kTask));
  for (const std::string& name : read) {
    for (const fs::path& other : file.other_files(name)) other_files_.insert(other);
  }
  notes.add_unread(file, read);
  EpisodeInfo info{.file = file.path(), .length = length};
  const auto is_simulated = notes.value_of(file, "sim", file.boolean_attribute("sim"));
  info.seed = notes.value_of(file, "seed", file.integer_attribute("seed"));
  info.success = notes.value_of(file, "success", file.boolean_attribute("success"));
  episodes_.push_back(std::move(info));
  is_real_.push_back(!is_simulated.value_or(true));
  env_state_names_.push_back(env_state);
}

// Throws Error unless states, actions and privileged states have the same sizes as in the other
// episodes.
void Hdf5Dataset::add_sizes(const Hdf5File& file, std::int64_t state_dim, std::int64_t action_dim,
                            std::int64_t env_state_dim) {
  if (episodes_.empty()) {
    spec_.set(vector_stream(roboimi::kState, state_dim));
    spec_.action_dim = action_dim;
  }
  if (spec_.env_state_dim() == 0 && env_state_dim > 0) {
    spec_.set(vector_stream(roboimi::kEnvState, env_state_dim));
  }
  if (spec_.state_dim() == state_dim && spec_.action_dim == action_dim &&
      (env_state_dim == 0 || spec_.env_state_dim() == env_state_dim)) {
    return;
  }
  fail_size(file, "the episode does not match the others",
            fmt::format("state {}, action {}, env_state {}", spec_.state_dim(), spec_.action_dim,
                        spec_.env_state_dim()),
            fmt::format("state {}, action {}, env_state {}", state_dim, action_dim, env_state_dim));
}

// Throws Error unless the stream matches the other episodes.
void Hdf5Dataset::add_stream(const Hdf5File& file, const StreamSpec& found) {
  const StreamSpec* known = spec_.find(found.name);
  if (known == nullptr) {
    spec_.set(found);
    return;
  }
  if (*known == found) return;
  if (known->kind == StreamKind::kText && found.kind == StreamKind::kText) {
    // Shorter strings are padded when they are read.
    if (found.shape[0] > known->shape[0]) spec_.set(found);
    return;
  }
  const auto describe = [](const StreamSpec& stream) {
    return stream.kind == StreamKind::kRgb
               ? fmt::format("{}x{}", stream.shape[0], stream.shape[1])
               : fmt::format("{} {} [{}]", to_string(stream.kind), c10::toString(stream.dtype),
                             fmt::join(stream.shape, ", "));
  };
  fail_size(file,
            found.kind == StreamKind::kRgb
                ? "frames of camera '" + found.name + "' do not match the other episodes"
                : "the stream '" + found.name + "' does not match the other episodes",
            describe(*known), describe(found));
}

void Hdf5Dataset::add_cameras(const Hdf5File& file, std::int64_t length,
                              std::vector<std::string>& read) {
  for (const std::string& camera : options_.camera_names) {
    read.push_back(image_name(camera));
    add_stream(file, rgb_stream(camera, image_size(file, camera, length)));
  }
}

void Hdf5Dataset::add_streams(const Hdf5File& file, std::int64_t length,
                              std::vector<std::string>& read) {
  std::vector<std::string> names = options_.stream_names;
  if (names.empty() && is_text(file, kTask, length)) names.emplace_back(kTask);
  for (const std::string& name : names) {
    read.push_back(stream_table(name));
    add_stream(file, stored_stream(file, name, length));
  }
}

// Height and width of plain or encoded frames.
ImageSize Hdf5Dataset::image_size(const Hdf5File& file, const std::string& camera,
                                  std::int64_t length) const {
  const std::string name = image_name(camera);
  if (!file.has(name)) {
    const std::vector<std::string> there = file.children(kImages);
    throw Error(
        {.what = fmt::format("camera '{}' is missing", camera),
         .where = file.path().string(),
         .expected = fmt::format("{}", fmt::join(options_.camera_names, ", ")),
         .found = there.empty() ? "no cameras" : fmt::format("{}", fmt::join(there, ", ")),
         .next = did_you_mean(camera, there, "set data.camera_names to cameras of the file")});
  }

  // Encoded frames of other episodes need no decoding here: read_frames() checks every frame. The
  // header of the first one tells episodes of another size before any cache is begun.
  const FrameStorage storage = frame_storage(file, name, camera, length);
  if (spec_.find(camera) != nullptr && storage != FrameStorage::kPlain) {
    const EncodedFrames first(file, name, storage, 0, 1);
    if (const std::optional<ImageSize> size = encoded_size(first[0])) return *size;
  }
  return frame_size(file, name, camera, length);
}

std::int64_t Hdf5Dataset::num_episodes() const {
  return static_cast<std::int64_t>(episodes_.size());
}

const EpisodeInfo& Hdf5Dataset::episode(std::int64_t index) const {
  ROBOIMI_CHECK(index >= 0 && index < num_episodes(), fmt::format("episode {}", index));
  return episodes_[static_cast<std::size_t>(index)];
}

at::Tensor Hdf5Dataset::read(std::int64_t index, const std::string& name, std::int64_t first,
                             std::int64_t count) const {
  const StreamSpec& found = stream(name);
  check_rows(index, first, count);
  const EpisodeInfo& info = episode(index);
  const Hdf5File file(info.file);
  if (found.kind == StreamKind::kRgb) {
    return read_frames(file, image_name(name), name, found.size(), info.length, first, count);
  }
  const std::string table = table_of(found, env_state_names_[static_cast<std::size_t>(index)]);
  const at::Tensor rows = file.read_rows(table, first, count, found.dtype);
  if (found.kind == StreamKind::kText) {
    return at::constant_pad_nd(rows, {0, found.shape[0] - rows.size(1)});
  }
  return found.kind == StreamKind::kVector ? as_table(rows) : rows;
}

at::Tensor Hdf5Dataset::actions(std::int64_t index) const {
  const at::Tensor rows = as_table(Hdf5File(episode(index).file).read_floats(kAction));
  const bool is_shifted = options_.shift_real_actions && is_real_[static_cast<std::size_t>(index)];
  if (!is_shifted || rows.size(0) == 1) return rows;
  return at::cat({rows.slice(0, 0, 1), rows.slice(0, 0, -1)});
}

std::map<std::string, at::Tensor> Hdf5Dataset::labels(std::int64_t index) const {
  const Hdf5File file(episode(index).file);
  std::map<std::string, at::Tensor> labels;
  for (const std::string& name : file.children(kLabels)) {
    labels[name] = as_table(file.read_floats(fmt::format("{}/{}", kLabels, name)));
  }
  return labels;
}

std::vector<fs::path> Hdf5Dataset::files() const {
  std::vector<fs::path> files = Dataset::files();
  files.insert(files.end(), other_files_.begin(), other_files_.end());
  return files;
}

const StreamSpec& Hdf5Dataset::stream(const std::string& name) const {
  if (const StreamSpec* found = spec_.find(name)) return *found;
  throw Error({.what = fmt::format("camera '{}' is not loaded", name),
               .where = episodes_.front().file.parent_path().string(),
               .expected = fmt::format("{}", fmt::join(spec_.names(), ", ")),
               .next = "add it to data.camera_names"});
}

void Hdf5Dataset::check_rows(std::int64_t index, std::int64_t first, std::int64_t count) const {
  const EpisodeInfo& info = episode(index);
  if (first >= 0 && count >= 0 && first + count <= info.length) return;
  throw Error({.what = "rows out of range",
               .where = info.file.string(),
               .expected = fmt::format("rows 0 to {}", info.length - 1),
               .found = fmt::format("{} to {}", first, first + count - 1)});
}

std::optional<FrameExtent> Hdf5Dataset::frame_extent(std::int64_t index, const std::string& camera,
                                                     std::int64_t row) const {
  if (stream(camera).kind != StreamKind::kRgb) return std::nullopt;
  check_rows(index, row, 1);
  return offsets_.find(episode(index).file, image_name(camera), row);
}

}  // namespace roboimi::hdf5_dataset
