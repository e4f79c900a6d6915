// A test fixture for the embedding cache: a backbone of means and a small dataset.
#pragma once

#include <gmock/gmock.h>

#include <chrono>
#include <thread>

#include "roboimi/common/files.h"
#include "roboimi/contract/backbone.h"
#include "roboimi/data/embedding_cache.h"
#include "tests/unit/data/table_dataset.h"

namespace roboimi {

// A backbone whose features are weighted means of each camera's channels. In training mode, and if
// `random`, the means are over one random row of pixels.
class MeanBackbone : public Backbone {
 public:
  explicit MeanBackbone(std::vector<std::string> cameras, bool random = false)
      : cameras_(std::move(cameras)), random_(random) {
    weight = register_parameter("weight", at::arange(1, 4, at::kFloat), /*requires_grad=*/false);
    offset = register_buffer("offset", at::zeros({1}));
  }
  const std::vector<std::string>& camera_names() const override { return cameras_; }
  std::int64_t output_dim() const override { return 3; }
  bool frozen() const override { return is_frozen; }
  bool has_random_transform() const override { return random_; }
  at::Tensor encode(const Observation& images, at::Generator& generator) override {
    if (milliseconds > 0) std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    std::vector<at::Tensor> features;
    for (at::Tensor image : ordered_images(images)) {
      num_frames += image.size(0);
      if (random_ && is_training()) {
        const at::Tensor row = at::randint(0, image.size(2), {1}, generator, at::kLong);
        image = image.index_select(2, row);
      }
      features.push_back(image.to(at::kFloat).mean({2, 3}) * weight + offset);
    }
    return at::cat(features, 2);
  }

  at::Tensor weight, offset;
  bool is_frozen = true;
  int milliseconds = 0;
  std::int64_t num_frames = 0;

 private:
  std::vector<std::string> cameras_;
  bool random_;
};

class EmbeddingCacheTest : public ::testing::Test {
 protected:
  static ComponentIdentity identity() {
    return {.component = "backbone 'mean' of plugin 'means'", .build = "1.0", .options = "a: 1"};
  }
  EmbeddingCacheOptions options() const {
    return {.folder = folder_ / "cache", .identity = identity(), .block_size = 4};
  }
  static at::Tensor direct(const TableDataset& data, std::int64_t episode) {
    std::vector<at::Tensor> features;
    for (const std::string camera : {"top", "front"}) {
      features.push_back(data.all_frames(episode, camera).to(at::kFloat).mean({1, 2}) *
                         at::arange(1, 4, at::kFloat));
    }
    return at::cat(features, 1);
  }
  std::size_t num_files(const std::string& extension) const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "cache")) {
      count += entry.path().extension() == extension;
    }
    return count;
  }
  ScratchFolder folder_;
  TableDataset data_{folder_ / "data", {9, 6}, {"front", "top"}};
  MeanBackbone backbone_{{"top", "front"}};
};

}  // namespace roboimi
