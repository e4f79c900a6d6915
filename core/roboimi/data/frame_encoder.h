// Encodes the frames of a dataset with a backbone, in the order of the dataset. Internal; not
// installed.
//
//   FrameEncoder encoder(backbone, dataset, options);
//   Upload frames = encoder.upload(0, 32);                          // on any thread
//   Download features = encoder.encode(std::move(frames), 0, 32);   // [32, K, V]
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "roboimi/data/device_transfer.h"
#include "roboimi/data/embedding_cache.h"

namespace roboimi {

// The name under which the backbone is registered, or its class.
std::string backbone_name(const Backbone& backbone, const EmbeddingCacheOptions& options);

class FrameEncoder {
 public:
  FrameEncoder(Backbone& backbone, const Dataset& dataset, const EmbeddingCacheOptions& options);

  std::int64_t num_frames() const { return first_.back(); }
  // The first frame of each episode, and the number of frames.
  const std::vector<std::int64_t>& first() const { return first_; }

  // Reads frames [begin, end) and starts to copy them to the device. Safe to call from several
  // threads.
  Upload upload(std::int64_t begin, std::int64_t end) const;
  // Their features, [end - begin, K, V] in the cached dtype. Throws Error if encode() returns
  // features of the wrong dtype or shape.
  Download encode(Upload frames, std::int64_t begin, std::int64_t end) const;

 private:
  at::Tensor encode_float(const Observation& streams, std::int64_t begin, std::int64_t end) const;
  Observation read(std::int64_t begin, std::int64_t end) const;
  at::Tensor checked(const at::Tensor& features, std::int64_t count) const;

  Backbone& backbone_;
  const Dataset& dataset_;
  const EmbeddingCacheOptions& options_;
  std::vector<std::int64_t> first_;
  Uploader uploader_;
};

}  // namespace roboimi
