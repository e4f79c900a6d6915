// A cache on disk for the features of a frozen backbone, so that each frame is encoded only once.
//
//   Embeddings cached = cached_embeddings(*agent.backbone(), *dataset, {.identity = identity});
//   sampler.set_features(cached);
//
// The cache's key is the SHA-256 of everything that the features depend on: the backbone's
// parameters and buffers, the identities of backbone and dataset (component, build of the plugin,
// resolved options), the cached dtype, the device with its precision (numerics_of()), the camera
// names, and the path, size and mtime of each data file. If any of them changes, another file,
// `embeddings-<key>.safetensors`, is written. If the file for a key exists, no frame is read.
// Interrupted work continues after the last complete block. If two processes need the same file,
// the second waits for the first and then uses its file.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "roboimi/common/export.h"
#include "roboimi/contract/dataset.h"
#include "roboimi/data/frame_store.h"
#include "roboimi/plugin/identity.h"

namespace roboimi {

class Backbone;

struct EmbeddingCacheOptions {
  std::filesystem::path folder = {};     // empty: cache_folder(dataset)
  ComponentIdentity identity = {};       // of the backbone
  ComponentIdentity data_identity = {};  // of the dataset
  // Number of random crops per frame, drawn from (seed, frame, variant). 1: the evaluation
  // transform, without random crops.
  std::int64_t variants = 1;
  std::uint64_t seed = 0;
  bool verify = false;             // hash the contents of the data files instead of size and mtime
  std::int64_t block_size = 32;    // frames encoded at a time
  c10::Device device = c10::kCPU;  // the backbone's device
  ProgressCallback progress = {};
  std::function<bool()> should_stop = {};  // called between blocks; true: Interrupted
};

struct Embeddings {
  at::Tensor values;                // Backbone::cached_dtype() [N, K, V], memory-mapped: read-only
  at::Tensor episode;               // int64 [N]
  at::Tensor frame;                 // int64 [N], row within the episode
  std::vector<std::int64_t> first;  // [num_episodes + 1], the first row of each episode
  std::filesystem::path file;
  std::string fingerprint;       // the key
  bool are_normalized = false;   // Backbone::features_are_normalized()
  std::int64_t num_encoded = 0;  // frames that this call had to encode

  // The rows of these episodes, in this order: [R, K, V]. A view if the episodes are consecutive.
  ROBOIMI_EXPORT at::Tensor of_episodes(const std::vector<std::int64_t>& episodes) const;
};

// Encodes all frames of all episodes, or loads the existing file. Throws Error if the backbone is
// not frozen, needs a stream that the data does not have, or returns features of the wrong size or
// dtype. The backbone's training mode is restored.
ROBOIMI_EXPORT Embeddings cached_embeddings(Backbone& backbone, const Dataset& dataset,
                                            const EmbeddingCacheOptions& options);

// The file in `options.folder` that cached_embeddings() reads or writes. Hashes the weights and,
// with `verify`, the data files.
ROBOIMI_EXPORT std::filesystem::path embedding_file(const Backbone& backbone,
                                                    const Dataset& dataset,
                                                    const EmbeddingCacheOptions& options);

// Returns only the key of the cache.
ROBOIMI_EXPORT std::string embedding_fingerprint(const Backbone& backbone, const Dataset& dataset,
                                                 const EmbeddingCacheOptions& options);

}  // namespace roboimi
