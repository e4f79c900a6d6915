#include "plugins/hdf5_dataset/hdf5_dataset.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <string_view>

#include "plugins/hdf5_dataset/hdf5_file.h"
#include "plugins/hdf5_dataset/opencv_jpeg.h"
#include "roboimi/common/error.h"
#include "roboimi/config/did_you_mean.h"

namespace roboimi::hdf5_dataset {
namespace {

namespace fs = std::filesystem;

const char* const kState = "/observations/qpos";
const char* const kAction = "/action";
const char* const kImages = "/observations/images";
const char* const kLabels = "/observations/labels";

std::string image_name(const std::string& camera) { return std::string(kImages) + "/" + camera; }

// N of "episode_N.hdf5".
std::optional<std::int64_t> episode_number(const fs::path& file) {
  constexpr std::string_view kPrefix = "episode_";
  const std::string stem = file.stem().string();
  if (file.extension() != ".hdf5" || stem.rfind(kPrefix, 0) != 0) return std::nullopt;
  std::int64_t number = 0;
  const char* const end = stem.data() + stem.size();
  const auto parsed = std::from_chars(stem.data() + kPrefix.size(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return number;
}

std::vector<fs::path> episode_files(const fs::path& path) {
  if (!fs::exists(path)) {
    throw Error({.what = "no such folder or file",
                 .where = path.string(),
                 .expected = "a folder with episode_0.hdf5, episode_1.hdf5, ...",
                 .next = "collect demonstrations with: roboimi collect"});
  }
  if (!fs::is_directory(path)) return {path};
  std::vector<std::pair<std::int64_t, fs::path>> found;
  std::size_t others = 0;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (const auto number = episode_number(entry.path())) {
      found.emplace_back(*number, entry.path());
    } else {
      ++others;
    }
  }
  if (found.empty()) {
    throw Error({.what = "the folder holds no episodes",
                 .where = path.string(),
                 .expected = "episode_0.hdf5, episode_1.hdf5, ...",
                 .found = fmt::format("{} entries of other names", others),
                 .next = "collect demonstrations with: roboimi collect"});
  }
  std::sort(found.begin(), found.end());
  std::vector<fs::path> files;
  for (auto& [_, file] : found) files.push_back(std::move(file));
  return files;
}

// Rows of a table [L, D]; Error otherwise.
std::vector<std::int64_t> table_shape(const Hdf5File& file, const std::string& name) {
  std::vector<std::int64_t> shape = file.shape(name);
  if (shape.size() != 2) {
    throw Error({.what = "'" + name + "' is not a table",
                 .where = file.path().string(),
                 .expected = "two dimensions [rows, numbers]",
                 .found = fmt::format("[{}]", fmt::join(shape, ", "))});
  }
  return shape;
}

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
  for (const fs::path& file : files) add_episode(file);
  // The privileged state counts only when every episode has it.
  const auto& names = env_state_names_;
  if (std::any_of(names.begin(), names.end(), [](const auto& name) { return name.empty(); })) {
    spec_.env_state_dim = 0;
  }
}

Hdf5Dataset::~Hdf5Dataset() = default;

void Hdf5Dataset::add_episode(const fs::path& path) {
  const Hdf5File file(path);
  const bool is_first = episodes_.empty();
  const auto states = table_shape(file, kState);
  const auto actions = table_shape(file, kAction);
  if (states[0] != actions[0] || states[0] == 0) {
    fail_size(file, "states and actions do not go together", "as many rows, at least one",
              fmt::format("{} states, {} actions", states[0], actions[0]));
  }
  std::string env_state_name;
  for (const char* name : {"/observations/env_state", "/env_state"}) {
    if (env_state_name.empty() && file.has(name)) env_state_name = name;
  }
  const std::int64_t env_state_dim =
      env_state_name.empty() ? 0 : table_shape(file, env_state_name)[1];
  const double control_hz = file.number_attribute("control_hz").value_or(0.0);
  if (is_first) {
    spec_.state_dim = states[1];
    spec_.action_dim = actions[1];
    spec_.env_state_dim = env_state_dim;
    spec_.control_hz = control_hz;
  } else if (spec_.state_dim != states[1] || spec_.action_dim != actions[1] ||
             spec_.control_hz != control_hz ||
             (env_state_dim != 0 && spec_.env_state_dim != env_state_dim)) {
    fail_size(file, "the episode does not fit the others",
              fmt::format("state {}, action {}, env_state {} at {} Hz", spec_.state_dim,
                          spec_.action_dim, spec_.env_state_dim, spec_.control_hz),
              fmt::format("state {}, action {}, env_state {} at {} Hz", states[1], actions[1],
                          env_state_dim, control_hz));
  }
  for (const std::string& camera : spec_.camera_names) {
    const ImageSize size = image_size(file, camera, states[0]);
    const ImageSize& expected = spec_.images.emplace(camera, size).first->second;
    if (size != expected) {
      fail_size(file, "frames of camera '" + camera + "' do not fit the other episodes",
                fmt::format("{}x{}", expected.height, expected.width),
                fmt::format("{}x{}", size.height, size.width));
    }
  }
  EpisodeInfo info{.file = path, .length = states[0]};
  info.is_sim = file.integer_attribute("sim").value_or(1) != 0;
  info.seed = file.integer_attribute("seed");
  if (const auto success = file.integer_attribute("success")) info.success = *success != 0;
  episodes_.push_back(std::move(info));
  env_state_names_.push_back(std::move(env_state_name));
}

// Height and width, of plain or compressed frames.
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
  const std::vector<std::int64_t> shape = file.shape(name);
  const bool is_plain =
      shape.size() == 4 && shape[1] > 0 && shape[2] > 0 && shape[3] == 3 && file.is_uint8(name);
  const bool is_jpeg = shape.size() == 1 || (shape.size() == 2 && file.is_uint8(name));
  if (shape.empty() || shape[0] != length || (!is_plain && !is_jpeg)) {
    throw Error(
        {.what = fmt::format("frames of camera '{}' are of an unknown kind", camera),
         .where = file.path().string(),
         .expected = fmt::format("uint8 [{0}, H, W, 3], or JPEG bytes as uint8 [{0}, N]", length),
         .found = fmt::format("{} [{}]", file.is_uint8(name) ? "uint8" : "another type",
                              fmt::join(shape, ", "))});
  }
  if (is_plain) return {.height = shape[1], .width = shape[2]};
  // One size per camera is enough to know: frames() checks every frame it decodes.
  if (const auto known = spec_.images.find(camera); known != spec_.images.end()) {
    return known->second;
  }
  const auto jpeg =
      shape.size() == 1 ? file.read_variable_bytes(name, 0, 1)[0] : std::vector<std::uint8_t>();
  const at::Tensor padded = shape.size() == 2 ? file.read_bytes(name, 0, 1) : at::Tensor();
  const at::Tensor frame = decode_as_opencv(
      padded.defined()
          ? std::span<const std::uint8_t>(padded.data_ptr<std::uint8_t>(), padded.nbytes())
          : std::span<const std::uint8_t>(jpeg),
      file.path(), camera, 0);
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
  const EpisodeInfo& info = episode(index);
  const Hdf5File file(info.file);
  std::map<std::string, at::Tensor> labels;
  for (const std::string& name : file.children(kLabels)) {
    const std::string path = fmt::format("{}/{}", kLabels, name);
    if (const auto shape = table_shape(file, path); shape[0] != info.length) {
      fail_size(file, fmt::format("'{}' does not go with the states", path),
                fmt::format("{} rows", info.length), fmt::format("{}", shape[0]));
    }
    labels[name] = file.read_floats(path);
  }
  return labels;
}

at::Tensor Hdf5Dataset::frames(std::int64_t index, const std::string& camera, std::int64_t first,
                               std::int64_t count) const {
  const EpisodeInfo& info = episode(index);
  if (first < 0 || count < 0 || first + count > info.length) {
    throw Error({.what = "rows that the episode does not have",
                 .where = info.file.string(),
                 .expected = fmt::format("rows 0 to {}", info.length - 1),
                 .found = fmt::format("{} to {}", first, first + count - 1)});
  }
  const Hdf5File file(info.file);
  const std::string name = image_name(camera);
  const std::size_t rank = file.shape(name).size();
  if (rank == 4) return file.read_bytes(name, first, count);

  // Read under the library's lock, then decode in parallel.
  std::vector<std::vector<std::uint8_t>> rows;
  at::Tensor padded;
  if (rank == 1) {
    rows = file.read_variable_bytes(name, first, count);
  } else {
    padded = file.read_bytes(name, first, count);
  }
  const ImageSize size = spec_.images.at(camera);
  at::Tensor decoded = at::empty({count, size.height, size.width, 3}, at::kByte);
  at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::span<const std::uint8_t> jpeg =
          rank == 1 ? std::span<const std::uint8_t>(rows[static_cast<std::size_t>(i)])
                    : std::span<const std::uint8_t>(
                          padded.const_data_ptr<std::uint8_t>() + i * padded.size(1),
                          static_cast<std::size_t>(padded.size(1)));
      const at::Tensor frame = decode_as_opencv(jpeg, info.file, camera, first + i);
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

Schema dataset_schema() {
  Schema schema;
  schema.required_path("path", "a folder of episode_N.hdf5, or one such file");
  schema.required_texts("camera_names", "cameras to load, by their names in the files");
  schema.optional_integer("max_episodes", "use only the first ones").at_least(1);
  return schema;
}

std::shared_ptr<Dataset> create_dataset(const Options& options) {
  return std::make_shared<Hdf5Dataset>(DatasetOptions{
      .path = options.text("path"),
      .camera_names = options.texts("camera_names"),
      .max_episodes = options.has("max_episodes") ? options.integer("max_episodes") : 0});
}

}  // namespace roboimi::hdf5_dataset
