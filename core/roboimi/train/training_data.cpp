#include "roboimi/train/training_data.h"

#include <fmt/format.h>

#include <optional>
#include <set>

#include "roboimi/common/error.h"
#include "roboimi/common/log.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/data/cache_folder.h"
#include "roboimi/data/embedding_cache.h"
#include "roboimi/data/frame_store.h"
#include "roboimi/data/statistics.h"
#include "roboimi/track/progress.h"
#include "roboimi/train/representation.h"

namespace roboimi {
namespace {

namespace fs = std::filesystem;

// Shows progress from the first call on. Without calls, because there is nothing to do, it shows
// none.
ProgressCallback progress_callback(const std::string& label) {
  const auto shown = std::make_shared<std::unique_ptr<Progress>>();
  return [shown, label](std::int64_t done, std::int64_t total) {
    if (!*shown) *shown = std::make_unique<Progress>(label, total, done);
    (*shown)->update(done, "");
    if (done >= total) shown->reset();
  };
}

// How the features of a backbone are computed during training.
struct FeaturePlan {
  bool cached = false;        // once per frame, and stored
  std::int64_t variants = 1;  // random crops stored per frame
  std::string warning = {};   // for a frozen backbone that is slower than it could be
};

// Whether the features are only transformed pixels.
bool has_weights(const Backbone& backbone) {
  return !backbone.parameters().empty() || !backbone.buffers().empty();
}

FeaturePlan plan_features(const Backbone& backbone, const CacheOptions& cache, c10::Device device) {
  if (!backbone.frozen()) return {};
  // A GPU transforms the pixels of a batch in less time than it takes to copy them from the host.
  if (device.is_cuda() && !has_weights(backbone)) return {};
  if (!cache.enabled) {
    return {.warning = "cache.enabled is false: the frozen backbone runs again in every step"};
  }
  if (!backbone.has_random_transform()) {
    return {.cached = true,
            .warning = cache.variants > 1
                           ? "cache.variants has no effect: the backbone draws no random crops"
                           : ""};
  }
  if (cache.variants > 1) return {.cached = true, .variants = cache.variants};
  return {.warning =
              "the frozen backbone runs in every step, because its random image transform prevents "
              "caching; set cache.variants=K to store K random crops of each frame instead"};
}

EmbeddingCacheOptions embedding_options(const FeaturePlan& plan, const fs::path& folder,
                                        const CacheOptions& cache,
                                        const TrainingDataOptions& options) {
  return {.folder = folder,
          .identity = options.backbone_identity,
          .data_identity = options.data_identity,
          .variants = plan.variants,
          .seed = options.seed,
          .verify = cache.verify,
          .block_size = cache.block_size,
          .device = options.device,
          .progress = progress_callback("encode frames"),
          .should_stop = options.should_stop};
}

void split_episodes(TrainingData& data, const HeldOut& held_out,
                    const std::vector<DatasetPart>& parts) {
  const std::int64_t count = data.dataset->num_episodes();
  if (count == 0) {
    throw Error(
        {.what = "the dataset has no episodes", .where = "data", .expected = "at least one"});
  }
  data.held_out_episodes = held_out.of(count);
  std::set<std::int64_t> left_out(data.held_out_episodes.begin(), data.held_out_episodes.end());
  for (const DatasetPart& part : parts) {
    if (part.weight == 0.0) left_out.insert(part.episodes.begin(), part.episodes.end());
  }
  for (std::int64_t episode = 0; episode < count; ++episode) {
    if (!left_out.contains(episode)) data.training_episodes.push_back(episode);
  }
  if (!data.training_episodes.empty()) return;
  throw Error({.what = "no episodes are left to train on",
               .where = "data",
               .expected = "an episode with a weight above 0 that is not held out",
               .found = fmt::format("{} episodes, {} held out, the others with weight 0", count,
                                    data.held_out_episodes.size()),
               .next = "hold out fewer episodes, or change the weights"});
}

}  // namespace

void declare(OptionFields& fields, CacheOptions& o) {
  fields.boolean("enabled", o.enabled,
                 "encode each frame only once with a frozen backbone and store the features; "
                 "`false` runs the backbone in every step");
  fields.path("folder", o.folder, "folder of the cache files; null: next to the data");
  fields
      .integer("variants", o.variants,
               "random crops stored per frame, for frozen backbones with a random transform; 1: "
               "draw new crops in every step, without the cache")
      .range(1, 64);
  fields.boolean("verify", o.verify,
                 "identify data files by a hash of their contents instead of path, size and "
                 "modification time");
  fields.integer("block_size", o.block_size, "frames encoded at a time").at_least(1);
  fields.choice(
      "frames", o.frames,
      {{FrameStorage::kDisk, "disk"},
       {FrameStorage::kMemory, "memory"},
       {FrameStorage::kStream, "stream"}},
      "decoded frames of a backbone that is trained; `disk`: decoded once into a cache "
      "file; `memory`: decoded at the start of each run; `stream`: decoded in every step");
}

std::uintmax_t cache_bytes(const Dataset& dataset, const Backbone* backbone,
                           const CacheOptions& cache, c10::Device device) {
  if (backbone == nullptr) return 0;
  const FeaturePlan plan = plan_features(*backbone, cache, device);
  std::uintmax_t bytes = 0;
  for (std::int64_t i = 0; i < dataset.num_episodes(); ++i) {
    const auto rows = static_cast<std::uintmax_t>(dataset.episode(i).length);
    if (plan.cached) {
      bytes += rows * static_cast<std::uintmax_t>(plan.variants * backbone->feature_dim()) *
               c10::elementSize(backbone->cached_dtype());
      continue;
    }
    for (const std::string& camera : backbone->camera_names()) {
      const StreamSpec* stream = dataset.spec().find(camera);
      // Uncompressed frames are memory-mapped from their own file.
      if (stream == nullptr || dataset.frame_extent(i, camera, 0)) continue;
      if (cache.frames != FrameStorage::kDisk) continue;
      std::uintmax_t frame = c10::elementSize(stream->dtype);
      for (const std::int64_t size : stream->shape) frame *= static_cast<std::uintmax_t>(size);
      bytes += rows * frame;
    }
  }
  return bytes;
}

fs::path cache_file(const Dataset& dataset, const Backbone* backbone, const fs::path& folder,
                    const CacheOptions& cache, const TrainingDataOptions& options) {
  if (backbone == nullptr) return {};
  const FeaturePlan plan = plan_features(*backbone, cache, options.device);
  if (plan.cached) {
    return embedding_file(*backbone, dataset, embedding_options(plan, folder, cache, options));
  }
  return decoded_frames_file(dataset, backbone->camera_names(),
                             {.folder = folder, .identity = options.data_identity});
}

TrainingData lay_out_training_data(std::shared_ptr<const Dataset> dataset, const Agent& agent,
                                   const TrainingDataOptions& options) {
  TrainingData data{.dataset = dataset};
  const std::vector<DatasetPart> parts = checked_parts(*dataset);
  split_episodes(data, options.held_out, parts);
  check_rows(*dataset, agent);
  const auto sampler_of = [&](const std::vector<std::int64_t>& episodes,
                              const std::vector<DatasetPart>& weighted) {
    return std::make_unique<WindowSampler>(
        dataset, WindowSamplerOptions{.horizons = agent.horizons(),
                                      .batch_size = options.batch_size,
                                      .seed = options.seed,
                                      .device = options.device,
                                      .episodes = episodes,
                                      .parts = weighted,
                                      .rank = options.rank,
                                      .world_size = options.num_processes});
  };
  data.sampler = sampler_of(data.training_episodes, parts);
  // Validation goes through its windows one by one, without weights.
  if (!data.held_out_episodes.empty()) {
    data.held_out_sampler = sampler_of(data.held_out_episodes, {});
  }
  return data;
}

TrainingData prepare_training_data(std::shared_ptr<const Dataset> dataset, Agent& agent,
                                   const CacheOptions& cache, const TrainingDataOptions& options) {
  TrainingData data = lay_out_training_data(std::move(dataset), agent, options);
  fill_training_data(data, agent, cache, options);
  return data;
}

void fill_training_data(TrainingData& data, Agent& agent, const CacheOptions& cache,
                        const TrainingDataOptions& options) {
  // Cache the features of a frozen backbone, or decode the frames.
  const std::shared_ptr<const Dataset> dataset = data.dataset;
  const fs::path folder = cache.folder ? *cache.folder : cache_folder(*dataset);
  data.fingerprint = data_fingerprint(*dataset, cache.verify);
  Backbone* backbone = agent.backbone();
  const FeaturePlan plan =
      backbone != nullptr ? plan_features(*backbone, cache, options.device) : FeaturePlan();
  if (!plan.warning.empty()) logger().warn("{}", plan.warning);
  if (plan.cached) {
    data.embeddings =
        cached_embeddings(*backbone, *dataset, embedding_options(plan, folder, cache, options));
    logger().info("embedding cache: {} frames, {} encoded now: {}", data.embeddings->values.size(0),
                  data.embeddings->num_encoded, data.embeddings->file.string());
    data.sampler->set_features(*data.embeddings);
    if (data.held_out_sampler) data.held_out_sampler->set_features(*data.embeddings);
  } else if (backbone != nullptr) {
    data.frames = std::make_shared<FrameStore>(
        dataset, backbone->camera_names(),
        FrameStoreOptions{.folder = folder,
                          .identity = options.data_identity,
                          .progress = progress_callback("decode frames"),
                          .storage = cache.frames,
                          .should_stop = options.should_stop});
    // Frames that are decoded in every step are kept nowhere.
    const auto keep = cache.frames == FrameStorage::kStream ? std::optional(false) : std::nullopt;
    data.sampler->set_frames(data.frames, keep);
    if (data.held_out_sampler) data.held_out_sampler->set_frames(data.frames, keep);
  }
  // Normalization statistics of the training episodes.
  data.statistics = dataset_statistics(*dataset, data.training_episodes,
                                       data.embeddings ? &*data.embeddings : nullptr,
                                       agent.uses_relative_actions() ? &agent.horizons() : nullptr);
  data.action_range = action_range(*dataset, data.training_episodes);
  if (backbone != nullptr && backbone->frozen() && !data.embeddings &&
      !backbone->features_are_normalized()) {
    data.statistics.features =
        sampled_feature_statistics(*backbone, *dataset, data.training_episodes, options.device);
  }
}

std::vector<std::string> TrainingData::describe_shares() const {
  std::vector<std::string> lines;
  const auto draws = static_cast<double>(sampler->num_windows());
  for (const WindowShare& part : sampler->shares()) {
    const double passes = part.share * draws / static_cast<double>(part.num_windows);
    lines.push_back(fmt::format("{:.1f} % from {}: {} windows, each {:.3g} times per epoch",
                                100.0 * part.share, part.name, part.num_windows, passes));
  }
  return lines;
}

bool TrainingData::can_probe(const Agent& agent) const {
  const Backbone* backbone = agent.backbone();
  return embeddings || (frames != nullptr && backbone != nullptr && backbone->frozen());
}

ProbeData TrainingData::probe_data(Agent& agent, const std::vector<std::int64_t>& episodes,
                                   c10::Device device) const {
  ROBOIMI_CHECK(can_probe(agent), "no features");
  ProbeData data{
      .representation = embeddings ? representation_of(agent, *embeddings, episodes, device)
                                   : representation_of(agent, *frames, *dataset, episodes, device),
      .labels = probe_labels(*dataset, episodes),
      .first = {0}};
  for (const std::int64_t episode : episodes) {
    data.first.push_back(data.first.back() + dataset->episode(episode).length);
  }
  return data;
}

}  // namespace roboimi
