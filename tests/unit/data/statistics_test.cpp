#include "roboimi/data/statistics.h"

#include <gmock/gmock.h>

#include "tests/unit/data/table_dataset.h"

namespace roboimi {
namespace {

TEST(DatasetStatistics, CountTheTrainingEpisodesOnly) {
  const ScratchFolder folder;
  const TableDataset data(folder / "data", {3, 4, 5}, {});
  // Rows 0, 1, 2 and 200 .. 204; numpy: mean 126.625, std (population) 97.316414
  const DatasetStatistics statistics = dataset_statistics(data, {0, 2});
  EXPECT_FLOAT_EQ(statistics.state.min.item<float>(), 0);
  EXPECT_FLOAT_EQ(statistics.state.max.item<float>(), 204);
  EXPECT_FLOAT_EQ(statistics.state.mean.item<float>(), 126.625);
  EXPECT_FLOAT_EQ(statistics.state.std.item<float>(), 97.316414);
  EXPECT_FLOAT_EQ(statistics.action.min.item<float>(), -204);
  EXPECT_FLOAT_EQ(statistics.env_state->mean[1].item<float>(), -126.625);
  EXPECT_FALSE(statistics.features.has_value());
  EXPECT_FLOAT_EQ(dataset_statistics(data, {}).state.mean.item<float>(), 118.25);
}

TEST(DatasetStatistics, CountAllVariantsOfTheTrainingEpisodesFeatures) {
  const ScratchFolder folder;
  const TableDataset data(folder / "data", {2, 1}, {});
  Embeddings embeddings;
  embeddings.first = {0, 2, 3};
  embeddings.values = at::tensor({1.f, 2.f, 3.f, 4.f, 50.f, 60.f}).view({3, 2, 1});
  const DatasetStatistics statistics = dataset_statistics(data, {0}, &embeddings);
  EXPECT_FLOAT_EQ(statistics.features->mean.item<float>(), 2.5);
  EXPECT_FLOAT_EQ(statistics.features->max.item<float>(), 4);
}

}  // namespace
}  // namespace roboimi
