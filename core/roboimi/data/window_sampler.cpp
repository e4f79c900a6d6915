#include "roboimi/data/window_sampler.h"

#include <fmt/format.h>

#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/common/random.h"
#include "roboimi/data/checked_reads.h"
#include "roboimi/data/device_frames.h"

namespace roboimi {
namespace {

constexpr std::uint64_t kVariantStream = 1;  // 0: the order of windows

// The rows of `table` [N, D] with the indices `rows` [B, T]: [B, T, D].
at::Tensor rows_at(const at::Tensor& table, const at::Tensor& rows) {
  return table.index_select(0, rows.flatten()).view({rows.size(0), rows.size(1), table.size(1)});
}

// The fewest rows that contain a window.
std::int64_t shortest_episode(const Horizons& horizons) {
  return horizons.whole_windows ? std::max(horizons.last_observation() + 1, horizons.pred) : 1;
}

[[noreturn]] void fail_without_windows(const DatasetPart& part, std::int64_t num_rows) {
  throw Error({.what = "a part of the dataset has a weight, but no window to train on",
               .where = part.name,
               .expected = fmt::format("a training episode of at least {} rows", num_rows),
               .found = fmt::format("none, and weight {}", part.weight),
               .next = "hold out fewer episodes, or set the weight of this part to 0"});
}

}  // namespace

WindowRows window_rows(const Horizons& horizons, std::int64_t row) {
  const std::int64_t first_observation = row - horizons.last_observation();
  if (horizons.alignment == Alignment::kFirstObservation) {
    return {.first_observation = first_observation, .first_action = first_observation};
  }
  return {.first_observation = first_observation, .first_action = row};
}

bool is_whole(const Horizons& horizons, const WindowRows& rows, std::int64_t length) {
  return std::min(rows.first_observation, rows.first_action) >= 0 &&
         rows.first_observation + horizons.last_observation() < length &&
         rows.first_action + horizons.pred <= length;
}

WindowSampler::WindowSampler(std::shared_ptr<const Dataset> dataset,
                             const WindowSamplerOptions& options)
    : dataset_(std::move(dataset)), options_(options), uploader_(options.device) {
  const Horizons& horizons = options_.horizons;
  if (horizons.obs < 1 || horizons.obs_stride < 1 || horizons.pred < 1) {
    throw Error({.what = "the agent's horizons are not positive",
                 .where = "Agent::horizons",
                 .expected = "at least 1 each",
                 .found = c10::str("obs ", horizons.obs, ", obs_stride ", horizons.obs_stride,
                                   ", pred ", horizons.pred)});
  }
  ROBOIMI_CHECK(
      options_.batch_size >= 1 && options_.rank >= 0 && options_.rank < options_.world_size,
      c10::str("batch ", options_.batch_size, ", rank ", options_.rank, " of ",
               options_.world_size));
  if (options_.episodes.empty()) {
    options_.episodes.resize(static_cast<std::size_t>(dataset_->num_episodes()));
    std::iota(options_.episodes.begin(), options_.episodes.end(), std::int64_t{0});
  }
  build_tables();
  build_order();
}

WindowSampler::~WindowSampler() = default;

// Concatenates the chosen episodes, on the device.
void WindowSampler::build_tables() {
  // Collect the windows and the rows of each episode.
  std::vector<at::Tensor> actions;
  std::map<std::string, std::vector<at::Tensor>> tables;
  std::vector<std::int64_t> first_row, last_row, observation_start, action_start;
  for (const std::int64_t episode : options_.episodes) {
    const EpisodeInfo& info = dataset_->episode(episode);
    const std::int64_t start = num_rows_;
    for (std::int64_t row = 0; row < info.length; ++row) {
      const WindowRows rows = window_rows(options_.horizons, row);
      if (options_.horizons.whole_windows && !is_whole(options_.horizons, rows, info.length)) {
        continue;
      }
      present_.push_back({.episode = episode, .row = row});
      first_observation_.push_back(rows.first_observation);
      first_row.push_back(start);
      last_row.push_back(start + info.length - 1);
      observation_start.push_back(start + rows.first_observation);
      action_start.push_back(start + rows.first_action);
    }
    num_rows_ += info.length;
    actions.push_back(read_actions(*dataset_, episode));
    for (const StreamSpec& stream : dataset_->spec().streams) {
      if (stream.is_image()) continue;
      tables[stream.name].push_back(read_stream(*dataset_, episode, stream.name));
    }
  }
  num_windows_ = std::ssize(present_);
  if (num_windows_ == 0) {
    throw Error({.what = "there is nothing to train on: no episode contains a window",
                 .expected = fmt::format("an episode of at least {} rows",
                                         shortest_episode(options_.horizons)),
                 .found = fmt::format("{} episodes with {} rows in total", options_.episodes.size(),
                                      num_rows_),
                 .next = "check the dataset's path and the episodes held out for validation"});
  }
  // Copy everything to the device.
  const c10::Device device = options_.device;
  on_host_ = at::TensorOptions(at::kLong).pinned_memory(device.is_cuda());
  actions_ = at::cat(actions).to(device);
  for (const auto& [name, rows] : tables) tables_[name] = at::cat(rows).to(device);
  first_row_ = at::tensor(first_row, at::kLong).to(device);
  last_row_ = at::tensor(last_row, at::kLong).to(device);
  observation_start_ = at::tensor(observation_start, at::kLong).to(device);
  action_start_ = at::tensor(action_start, at::kLong).to(device);
  const auto integers = at::TensorOptions(at::kLong).device(device);
  observation_steps_ = at::arange(options_.horizons.obs, integers) * options_.horizons.obs_stride;
  action_steps_ = at::arange(options_.horizons.pred, integers);
}

// Divides the windows between the parts of the dataset.
void WindowSampler::build_order() {
  std::vector<WindowOrder::Part> drawn;
  if (options_.parts.empty()) drawn.push_back({.windows = at::arange(num_windows_, at::kLong)});
  // Collect the windows of each part.
  std::map<std::int64_t, std::size_t> part_of_episode;
  for (std::size_t i = 0; i < options_.parts.size(); ++i) {
    for (const std::int64_t episode : options_.parts[i].episodes) part_of_episode[episode] = i;
  }
  std::vector<std::vector<std::int64_t>> windows(options_.parts.size());
  for (std::size_t window = 0; window < present_.size(); ++window) {
    const auto part = part_of_episode.find(present_[window].episode);
    if (part == part_of_episode.end()) continue;
    windows[part->second].push_back(static_cast<std::int64_t>(window));
  }
  // Leave out the parts with weight 0.
  for (std::size_t i = 0; i < options_.parts.size(); ++i) {
    const DatasetPart& part = options_.parts[i];
    if (part.weight == 0.0) continue;
    if (windows[i].empty()) fail_without_windows(part, shortest_episode(options_.horizons));
    shares_.push_back({.name = part.name, .num_windows = std::ssize(windows[i])});
    drawn.push_back({.windows = at::tensor(windows[i], at::kLong), .weight = part.weight});
  }
  // Compute the shares.
  order_ = std::make_unique<WindowOrder>(drawn, options_.seed);
  for (std::size_t i = 0; i < shares_.size(); ++i) shares_[i].share = order_->share(i);
}

void WindowSampler::set_features(const Embeddings& embeddings) {
  std::int64_t count = 0;
  for (const std::int64_t episode : options_.episodes) {
    const auto i = static_cast<std::size_t>(episode);
    count += embeddings.first[i + 1] - embeddings.first[i];
  }
  ROBOIMI_CHECK(count == num_rows_, c10::str(count, " embeddings for ", num_rows_, " rows"));
  variants_ = embeddings.values.size(1);
  if (!options_.device.is_cpu()) {
    features_ = embeddings.of_episodes(options_.episodes).flatten(0, 1).to(options_.device);
    return;
  }
  // Read them from the mapped file: a copy of the chosen episodes might not fit in memory.
  features_ = embeddings.values.flatten(0, 1);
  std::vector<std::int64_t> shift;
  shift.reserve(present_.size());
  const auto* first_row = first_row_.const_data_ptr<std::int64_t>();
  for (const FrameIndex& present : present_) {
    shift.push_back(embeddings.first[static_cast<std::size_t>(present.episode)] - *first_row++);
  }
  feature_shift_ = at::tensor(shift, at::kLong);
}

void WindowSampler::set_frames(std::shared_ptr<const FrameStore> frames,
                               std::optional<bool> keep_on_device) {
  prefetcher_.reset();
  device_frames_.reset();
  frames_ = std::move(frames);
  if (!frames_) return;
  if (keep_on_device ? *keep_on_device : frames_fit_on_device()) {
    device_frames_ =
        std::make_unique<DeviceFrames>(*frames_, *dataset_, options_.episodes, options_.device);
    return;
  }
  if (options_.prefetch <= 0) return;
  prefetcher_ = std::make_unique<Prefetcher<Upload>>(
      [this](std::int64_t step) { return uploader_.start(images_of(indices(step))); },
      options_.prefetch);
}

bool WindowSampler::frames_fit_on_device() const {
  if (!options_.device.is_cuda()) return false;
  const std::uint64_t bytes = DeviceFrames::bytes(*frames_, *dataset_, options_.episodes);
  const std::uint64_t most = DeviceFrames::most_bytes(options_.device);
  const bool fits = bytes <= most;
  logger().info("frames: {:.1f} GB, {} on {}, where {:.1f} GB may be used", 1e-9 * double(bytes),
                fits ? "kept" : "copied for each batch, not kept,", options_.device.str(),
                1e-9 * double(most));
  return fits;
}

std::int64_t WindowSampler::steps_per_epoch() const {
  const std::int64_t per_step = options_.batch_size * options_.world_size;
  return (num_windows_ + per_step - 1) / per_step;
}

at::Tensor WindowSampler::indices(std::int64_t step) const {
  // This process's part of the sequence that all processes share.
  const std::int64_t first = (step * options_.world_size + options_.rank) * options_.batch_size;
  return order_->windows(first, first + options_.batch_size);
}

Batch WindowSampler::batch(std::int64_t step) {
  // Draw a variant for each window.
  at::Tensor variants;
  if (variants_ > 1) {
    at::Generator generator =
        make_generator(mix_seed(options_.seed, static_cast<std::uint64_t>(step), kVariantStream,
                                static_cast<std::uint64_t>(options_.rank)));
    variants = at::randint(0, variants_, {options_.batch_size}, generator, on_host_)
                   .to(options_.device, /*non_blocking=*/true);
  }
  at::Tensor windows = indices(step);
  if (options_.device.is_cuda()) {
    windows = windows.pin_memory().to(options_.device, /*non_blocking=*/true);
  }
  Batch batch = batch_without_images(windows, variants);
  if (frames_ && !device_frames_) {
    Upload images =
        prefetcher_ ? prefetcher_->get(step) : uploader_.start(images_of(indices(step)));
    for (const auto& [camera, frames] : take(std::move(images))) {
      batch.observations[camera] = frames;
    }
  }
  return batch;
}

Batch WindowSampler::batch_of(const at::Tensor& windows) const {
  Batch batch = batch_without_images(windows.to(options_.device), {});
  if (frames_ && !device_frames_) {
    for (const auto& [camera, frames] : images_of(windows)) {
      batch.observations[camera] = frames.to(options_.device);
    }
  }
  return batch;
}

Batch WindowSampler::batch_without_images(const at::Tensor& windows,
                                          const at::Tensor& variants) const {
  // Rows of observations and actions, clamped to the episode.
  const at::Tensor first = first_row_.index_select(0, windows).unsqueeze(1);
  const at::Tensor last = last_row_.index_select(0, windows).unsqueeze(1);
  const at::Tensor observed = at::minimum(
      at::maximum(observation_start_.index_select(0, windows).unsqueeze(1) + observation_steps_,
                  first),
      last);
  const at::Tensor commanded = action_start_.index_select(0, windows).unsqueeze(1) + action_steps_;
  Batch batch;
  for (const auto& [name, table] : tables_) batch.observations[name] = rows_at(table, observed);
  if (device_frames_) {
    for (const auto& [camera, frames] : device_frames_->rows(observed)) {
      batch.observations[camera] = frames;
    }
  }
  batch.actions = rows_at(actions_, at::minimum(at::maximum(commanded, first), last));
  batch.is_pad = at::logical_or(commanded.lt(first), commanded.gt(last));
  if (features_.defined()) {
    at::Tensor rows = observed;
    if (feature_shift_.defined()) {
      rows = rows + feature_shift_.index_select(0, windows).unsqueeze(1);
    }
    rows = rows * variants_;
    if (variants.defined()) rows = rows + variants.unsqueeze(1);
    // The features are stored in the cached dtype, which may be half.
    batch.features = rows_at(features_, rows).to(at::kFloat);
  }
  return batch;
}

// The images of windows int64 [B], which is on the CPU: camera -> [B, To, ...].
Observation WindowSampler::images_of(const at::Tensor& windows) const {
  const std::int64_t steps = options_.horizons.obs;
  std::vector<FrameIndex> rows;
  rows.reserve(static_cast<std::size_t>(windows.size(0) * steps));
  const at::Tensor contiguous = windows.contiguous();
  for (std::int64_t i = 0; i < contiguous.size(0); ++i) {
    const auto window = static_cast<std::size_t>(contiguous.const_data_ptr<std::int64_t>()[i]);
    const std::int64_t episode = present_[window].episode;
    const std::int64_t last = dataset_->episode(episode).length - 1;
    for (std::int64_t step = 0; step < steps; ++step) {
      const std::int64_t row = first_observation_[window] + step * options_.horizons.obs_stride;
      rows.push_back({.episode = episode, .row = std::clamp<std::int64_t>(row, 0, last)});
    }
  }
  Observation images = frames_->gather(rows, options_.device.is_cuda());
  for (auto& [camera, frames] : images) {
    frames = frames.unflatten(0, {windows.size(0), steps});
  }
  return images;
}

}  // namespace roboimi
