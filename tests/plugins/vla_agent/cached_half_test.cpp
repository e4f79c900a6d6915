// Training on features that the cache stores in half precision.
#include <gtest/gtest.h>

#include "roboimi/common/random.h"
#include "roboimi/train/training_data.h"
#include "tests/plugins/vla_agent/fake_parts.h"
#include "tests/unit/data/table_dataset.h"

namespace roboimi::vla_agent {
namespace {

class HalfBackbone : public MeanBackbone {
 public:
  explicit HalfBackbone(bool is_normalized) : is_normalized_(is_normalized) {}
  at::ScalarType cached_dtype() const override { return at::kHalf; }
  bool features_are_normalized() const override { return is_normalized_; }

 private:
  bool is_normalized_;
};

TEST(VlaAgent, TrainsOnFeaturesCachedInHalfPrecision) {
  for (const bool is_normalized : {false, true}) {
    const ScratchFolder folder;
    const auto dataset = std::make_shared<TableDataset>(
        folder / "data", std::vector<std::int64_t>{6, 4}, std::vector<std::string>{"top", "front"});
    SeededConstruction guard(1);
    const auto backbone = std::make_shared<HalfBackbone>(is_normalized);
    const auto head = std::make_shared<IndexHead>(HeadSpec{1, 4, 2, 2 + 1});
    VlaAgent agent({.horizons = {2, 4, 2, Alignment::kFirstObservation}}, dataset->spec(), backbone,
                   head);
    const TrainingData data =
        prepare_training_data(dataset, agent, CacheOptions(), {.batch_size = 10});
    ASSERT_TRUE(data.embeddings.has_value());
    EXPECT_EQ(data.embeddings->values.scalar_type(), at::kHalf);
    EXPECT_EQ(data.statistics.features.has_value(), !is_normalized);

    agent.set_statistics(data.statistics);
    const Batch batch = data.sampler->batch(0);
    EXPECT_EQ(batch.features.scalar_type(), at::kFloat);
    at::Generator generator = make_generator(0);
    EXPECT_TRUE(at::isfinite(agent.loss(batch, generator).loss).item<bool>());
    // Features are normalized only if needed; those of images are means of 0..255.
    const float largest = head->last_cond.slice(2, 0, 2).abs().max().item<float>();
    EXPECT_EQ(largest > 50.0F, is_normalized) << largest;
  }
}

}  // namespace
}  // namespace roboimi::vla_agent
