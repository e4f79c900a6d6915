// Prepares recorded episodes for training. The inputs of a batch depend on the agent's backbone:
// cached features if it is frozen, frames if it is trained, states only if there is none. On a GPU,
// a frozen backbone without weights, which only transforms pixels, also gets frames: it transforms
// them in every step, and no pixels are cached.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/config/declare.h"
#include "roboimi/contract/action_range.h"
#include "roboimi/contract/agent.h"
#include "roboimi/contract/dataset.h"
#include "roboimi/data/frame_store.h"
#include "roboimi/data/window_sampler.h"
#include "roboimi/plugin/identity.h"
#include "roboimi/train/held_out.h"
#include "roboimi/train/probe.h"

namespace roboimi {

class Backbone;

// The `cache` section of an experiment.
struct CacheOptions {
  bool enabled = true;
  std::optional<std::filesystem::path> folder;  // nullopt: next to the data
  std::int64_t variants = 1;                    // random crops stored per frame
  bool verify = false;                          // identify data files by their contents
  std::int64_t block_size = 32;                 // frames encoded at a time
  FrameStorage frames = FrameStorage::kDisk;    // of frames that a backbone reads in training
};

ROBOIMI_EXPORT void declare(OptionFields& fields, CacheOptions& options);

struct TrainingDataOptions {
  std::int64_t batch_size = 64;
  std::uint64_t seed = 0;
  c10::Device device = c10::kCPU;
  ComponentIdentity backbone_identity = {};  // feature_identity()
  ComponentIdentity data_identity = {};      // component_identity() of the dataset
  HeldOut held_out = {};                     // episodes that are not trained on
  std::int64_t rank = 0;                     // of this process; each draws different batches
  std::int64_t num_processes = 1;
  std::function<bool()> should_stop = {};
};

struct TrainingData {
  std::shared_ptr<const Dataset> dataset;
  // Episodes of parts with weight 0 are not trained on, but may be held out.
  std::vector<std::int64_t> training_episodes, held_out_episodes;
  std::unique_ptr<WindowSampler> sampler;           // of the training episodes
  std::unique_ptr<WindowSampler> held_out_sampler;  // nullptr if no episodes are held out
  std::optional<Embeddings> embeddings;             // of all episodes, if features are cached
  std::shared_ptr<const FrameStore> frames;         // if the backbone reads them in every step
  DatasetStatistics statistics;                     // of the training episodes
  ActionRange action_range;                         // of the training episodes
  std::string fingerprint;                          // of the data files

  // How the training windows are divided between the parts of the dataset, one line per part, for
  // people. Empty without weights.
  ROBOIMI_EXPORT std::vector<std::string> describe_shares() const;

  // Whether the backbone is frozen, so that probe_data() may be called.
  ROBOIMI_EXPORT bool can_probe(const Agent& agent) const;
  // The input of linear probes.
  ROBOIMI_EXPORT ProbeData probe_data(Agent& agent, const std::vector<std::int64_t>& episodes,
                                      c10::Device device) const;
};

// First part of the preparation: splits episodes and creates samplers without reading any frame.
// Throws Error for data that cannot be trained on.
ROBOIMI_EXPORT TrainingData lay_out_training_data(std::shared_ptr<const Dataset> dataset,
                                                  const Agent& agent,
                                                  const TrainingDataOptions& options);
// Second part: decodes or encodes the frames that are not cached yet and computes statistics. The
// agent must be on the device.
ROBOIMI_EXPORT void fill_training_data(TrainingData& data, Agent& agent, const CacheOptions& cache,
                                       const TrainingDataOptions& options);
// Bytes of the cache file that fill_training_data() writes if there is none yet; 0 without a
// `backbone`.
ROBOIMI_EXPORT std::uintmax_t cache_bytes(const Dataset& dataset, const Backbone* backbone,
                                          const CacheOptions& cache, c10::Device device);
// The cache file in `folder` that fill_training_data() reads or writes; empty if it needs none.
// Hashes the weights of a frozen backbone and, with cache.verify, the data files.
ROBOIMI_EXPORT std::filesystem::path cache_file(const Dataset& dataset, const Backbone* backbone,
                                                const std::filesystem::path& folder,
                                                const CacheOptions& cache,
                                                const TrainingDataOptions& options);

// Both parts, one after the other.
ROBOIMI_EXPORT TrainingData prepare_training_data(std::shared_ptr<const Dataset> dataset,
                                                  Agent& agent, const CacheOptions& cache,
                                                  const TrainingDataOptions& options);

}  // namespace roboimi
