// The features of a frozen backbone, computed once per frame, ever.
//
//   Embeddings cached = cached_embeddings(*agent.backbone(), *dataset, {.identity = identity});
//   sampler.set_features(cached);
//
// The cache's key is the SHA-256 of everything that the numbers depend on: the backbone's
// parameters and buffers, the identities of backbone and dataset (component, plugin's build,
// resolved options), the type kept, the device with its precision (numerics_of()), the camera
// names, and per data file its path, size and mtime. A change of
// any makes another file, `embeddings-<key>.safetensors`; when the key is known, no frame is read.
// Work stopped in the middle continues after the last whole block. Two processes that want the same
// file take turns, and the second finds it done.
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
  // Random crops kept per frame, drawn from (seed, frame, variant). 1 is the evaluation transform.
  std::int64_t variants = 1;
  std::uint64_t seed = 0;
  bool verify = false;             // the key holds the contents of the data files, not their mtimes
  std::int64_t block_size = 32;    // frames encoded at a time
  c10::Device device = c10::kCPU;  // where the backbone is
  ProgressCallback progress = {};
  std::function<bool()> should_stop = {};  // asked between blocks; true: Error "interrupted"
};

struct Embeddings {
  at::Tensor values;                // Backbone::cached_dtype() [N, K, V], mapped: read only
  at::Tensor episode;               // int64 [N]
  at::Tensor frame;                 // int64 [N], row within the episode
  std::vector<std::int64_t> first;  // [num_episodes + 1]: where each episode's rows start
  std::filesystem::path file;
  std::string fingerprint;       // the key
  bool are_normalized = false;   // Backbone::features_are_normalized()
  std::int64_t num_encoded = 0;  // frames that had to be encoded by this call

  // Rows of these episodes, in that order: [R, K, V]. A view where the episodes follow one another.
  ROBOIMI_EXPORT at::Tensor of_episodes(const std::vector<std::int64_t>& episodes) const;
};

// Runs the backbone over all frames of all episodes, or finds that done. Error when the backbone is
// not frozen, lacks a camera in the data, or returns features of another size. The backbone's
// training mode is restored.
ROBOIMI_EXPORT Embeddings cached_embeddings(Backbone& backbone, const Dataset& dataset,
                                            const EmbeddingCacheOptions& options);

// The key alone.
ROBOIMI_EXPORT std::string embedding_fingerprint(const Backbone& backbone, const Dataset& dataset,
                                                 const EmbeddingCacheOptions& options);

}  // namespace roboimi
