#include "roboimi/train/training_data.h"

#include <fmt/format.h>

#include <optional>

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

bool caches_features(const Backbone& backbone, const CacheOptions& cache) {
  const bool needs_variants = backbone.has_random_transform() && cache.variants == 1;
  return backbone.frozen() && cache.enabled && !needs_variants;
}

// The same, with a warning if a frozen backbone's features are not cached.
bool is_cacheable(const Backbone& backbone, const CacheOptions& cache) {
  if (!backbone.frozen()) return false;
  if (!cache.enabled) {
    logger().warn("cache.enabled is false: the frozen backbone runs again in every step");
    return false;
  }
  if (!backbone.has_random_transform() && cache.variants > 1) {
    logger().warn("cache.variants has no effect: the backbone draws no random crops");
  }
  if (backbone.has_random_transform() && cache.variants == 1) {
    logger().warn(
        "the frozen backbone runs in every step, because its random image transform prevents "
        "caching; set cache.variants=K to store K random crops of each frame instead");
    return false;
  }
  return true;
}

// The dataset's last episodes are held out.
void split_episodes(TrainingData& data, std::int64_t num_held_out) {
  const std::int64_t count = data.dataset->num_episodes();
  if (count == 0) {
    throw Error(
        {.what = "the dataset has no episodes", .where = "data", .expected = "at least one"});
  }
  if (num_held_out >= count && num_held_out > 0) {
    throw Error({.what = "no episodes are left to train on",
                 .where = "train.held_out_episodes",
                 .expected = fmt::format("fewer than the dataset's {} episodes", count),
                 .found = std::to_string(num_held_out)});
  }
  for (std::int64_t episode = 0; episode < count; ++episode) {
    (episode < count - num_held_out ? data.training_episodes : data.held_out_episodes)
        .push_back(episode);
  }
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
}

std::uintmax_t cache_bytes(const Dataset& dataset, const Backbone* backbone,
                           const CacheOptions& cache) {
  if (backbone == nullptr) return 0;
  std::uintmax_t bytes = 0;
  for (std::int64_t i = 0; i < dataset.num_episodes(); ++i) {
    const auto rows = static_cast<std::uintmax_t>(dataset.episode(i).length);
    if (caches_features(*backbone, cache)) {
      const std::int64_t variants = backbone->has_random_transform() ? cache.variants : 1;
      bytes += rows * static_cast<std::uintmax_t>(variants * backbone->feature_dim()) *
               c10::elementSize(backbone->cached_dtype());
      continue;
    }
    for (const std::string& camera : backbone->camera_names()) {
      const StreamSpec* stream = dataset.spec().find(camera);
      // Uncompressed frames are memory-mapped from their own file.
      if (stream == nullptr || dataset.frame_extent(i, camera, 0)) continue;
      std::uintmax_t frame = c10::elementSize(stream->dtype);
      for (const std::int64_t size : stream->shape) frame *= static_cast<std::uintmax_t>(size);
      bytes += rows * frame;
    }
  }
  return bytes;
}

TrainingData lay_out_training_data(std::shared_ptr<const Dataset> dataset, const Agent& agent,
                                   const TrainingDataOptions& options) {
  TrainingData data{.dataset = dataset};
  split_episodes(data, options.num_held_out);
  check_finite(*dataset);
  const auto sampler_of = [&](const std::vector<std::int64_t>& episodes) {
    return std::make_unique<WindowSampler>(
        dataset, WindowSamplerOptions{.horizons = agent.horizons(),
                                      .batch_size = options.batch_size,
                                      .seed = options.seed,
                                      .device = options.device,
                                      .episodes = episodes,
                                      .rank = options.rank,
                                      .world_size = options.num_processes});
  };
  data.sampler = sampler_of(data.training_episodes);
  if (options.num_held_out > 0) data.held_out_sampler = sampler_of(data.held_out_episodes);
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
  const std::filesystem::path folder = cache.folder ? *cache.folder : cache_folder(*dataset);
  data.fingerprint = data_fingerprint(*dataset, cache.verify);
  Backbone* backbone = agent.backbone();
  if (backbone != nullptr && is_cacheable(*backbone, cache)) {
    data.embeddings =
        cached_embeddings(*backbone, *dataset,
                          {.folder = folder,
                           .identity = options.backbone_identity,
                           .data_identity = options.data_identity,
                           .variants = backbone->has_random_transform() ? cache.variants : 1,
                           .seed = options.seed,
                           .verify = cache.verify,
                           .block_size = cache.block_size,
                           .device = options.device,
                           .progress = progress_callback("encode frames"),
                           .should_stop = options.should_stop});
    logger().info("embedding cache: {} frames, {} encoded now: {}", data.embeddings->values.size(0),
                  data.embeddings->num_encoded, data.embeddings->file.string());
    data.sampler->set_features(*data.embeddings);
    if (data.held_out_sampler) data.held_out_sampler->set_features(*data.embeddings);
  } else if (backbone != nullptr) {
    const auto frames = std::make_shared<FrameStore>(
        dataset, backbone->camera_names(),
        FrameStoreOptions{.folder = folder,
                          .identity = options.data_identity,
                          .progress = progress_callback("decode frames")});
    data.sampler->set_frames(frames);
    if (data.held_out_sampler) data.held_out_sampler->set_frames(frames);
  }
  // Normalization statistics of the training episodes.
  data.statistics = dataset_statistics(*dataset, data.training_episodes,
                                       data.embeddings ? &*data.embeddings : nullptr);
  data.action_range = action_range(*dataset, data.training_episodes);
  if (backbone != nullptr && backbone->frozen() && !data.embeddings &&
      !backbone->features_are_normalized()) {
    data.statistics.features =
        sampled_feature_statistics(*backbone, *dataset, data.training_episodes, options.device);
  }
}

ProbeData TrainingData::probe_data(Agent& agent, const std::vector<std::int64_t>& episodes,
                                   c10::Device device) const {
  ROBOIMI_CHECK(embeddings.has_value(), "features are not cached");
  ProbeData data{.representation = representation_of(agent, *embeddings, episodes, device),
                 .labels = probe_labels(*dataset, episodes),
                 .first = {0}};
  for (const std::int64_t episode : episodes) {
    data.first.push_back(data.first.back() + dataset->episode(episode).length);
  }
  return data;
}

}  // namespace roboimi
