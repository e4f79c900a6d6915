#include "roboimi/data/window_sampler.h"

#include <gmock/gmock.h>

#include <set>

#include "roboimi/common/error.h"
#include "tests/unit/data/table_dataset.h"

namespace roboimi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Horizons kDiffusion{.obs = 2, .pred = 4, .num_action = 2};
constexpr Horizons kAct{
    .obs = 1, .pred = 4, .num_action = 2, .alignment = Alignment::kPresentObservation};

std::vector<std::int64_t> integers(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.to(at::kLong).contiguous().flatten();
  return {flat.data_ptr<std::int64_t>(), flat.data_ptr<std::int64_t>() + flat.numel()};
}

at::Tensor windows(std::vector<std::int64_t> list) { return at::tensor(list, at::kLong); }

class WindowSamplerTest : public ::testing::Test {
 protected:
  std::shared_ptr<TableDataset> dataset(std::vector<std::int64_t> lengths) const {
    return std::make_shared<TableDataset>(folder_ / "data", std::move(lengths),
                                          std::vector<std::string>{"front", "top"});
  }
  ScratchFolder folder_;
};

TEST_F(WindowSamplerTest, AlignsADiffusionWindowSoThatItsLastObservationIsThePresent) {
  WindowSampler sampler(dataset({10, 20}), {.horizons = kDiffusion});
  // Episode 1 begins at window 10; its row 6 is the present: w = 5.
  const Batch batch = sampler.batch_of(windows({16}));
  EXPECT_THAT(integers(batch.observations.state()), ElementsAre(105, 106));
  EXPECT_THAT(integers(batch.actions), ElementsAre(-105, -106, -107, -108));
  EXPECT_THAT(integers(batch.is_pad), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(batch.observations.env_state().sizes(), ElementsAre(1, 2, 2));
  EXPECT_THAT(integers(batch.observations.env_state()), ElementsAre(105, -105, 106, -106));
}

TEST_F(WindowSamplerTest, RepeatsTheEdgeRowsAndMarksTheirActionsAsPadding) {
  WindowSampler sampler(dataset({10, 20}), {.horizons = kDiffusion});
  const Batch first = sampler.batch_of(windows({10}));  // first row of episode 1
  EXPECT_THAT(integers(first.observations.state()), ElementsAre(100, 100));
  EXPECT_THAT(integers(first.actions), ElementsAre(-100, -100, -101, -102));
  EXPECT_THAT(integers(first.is_pad), ElementsAre(1, 0, 0, 0));
  const Batch last = sampler.batch_of(windows({9}));  // last row of episode 0
  EXPECT_THAT(integers(last.observations.state()), ElementsAre(8, 9));
  EXPECT_THAT(integers(last.actions), ElementsAre(-8, -9, -9, -9));
  EXPECT_THAT(integers(last.is_pad), ElementsAre(0, 0, 1, 1));
}

TEST_F(WindowSamplerTest, AlignsAnActWindowSoThatItsFirstActionIsThePresent) {
  const auto data = dataset({10, 20});
  WindowSampler sampler(data, {.horizons = kAct});
  const Batch batch = sampler.batch_of(windows({0, 7}));
  EXPECT_THAT(integers(batch.observations.state()), ElementsAre(0, 7));
  EXPECT_THAT(integers(batch.actions), ElementsAre(0, -1, -2, -3, -7, -8, -9, -9));
  EXPECT_THAT(integers(batch.is_pad), ElementsAre(0, 0, 0, 0, 0, 0, 0, 1));
}

TEST_F(WindowSamplerTest, SupportsEpisodesShorterThanAWindow) {
  WindowSampler sampler(dataset({1}), {.horizons = kDiffusion, .batch_size = 3});
  const Batch batch = sampler.batch(0);
  EXPECT_THAT(integers(batch.observations.state()), ElementsAre(0, 0, 0, 0, 0, 0));
  EXPECT_THAT(integers(batch.is_pad[0]), ElementsAre(1, 0, 1, 1));
}

TEST_F(WindowSamplerTest, VisitsEveryWindowOncePerEpochInFullBatches) {
  WindowSampler sampler(dataset({10, 13}), {.horizons = kDiffusion, .batch_size = 4, .seed = 3});
  EXPECT_EQ(sampler.num_windows(), 23);
  EXPECT_EQ(sampler.steps_per_epoch(), 6);
  std::vector<std::int64_t> seen;
  for (std::int64_t step = 0; step < 23; ++step) {  // four complete epochs
    const auto indices = integers(sampler.indices(step));
    EXPECT_EQ(indices.size(), 4U);
    seen.insert(seen.end(), indices.begin(), indices.end());
  }
  std::set<std::vector<std::int64_t>> orders;
  for (std::size_t epoch = 0; epoch < 4; ++epoch) {
    const std::vector<std::int64_t> order(seen.begin() + 23 * epoch,
                                          seen.begin() + 23 * (epoch + 1));
    EXPECT_EQ(std::set<std::int64_t>(order.begin(), order.end()).size(), 23U);
    orders.insert(order);
  }
  EXPECT_EQ(orders.size(), 4U) << "each epoch is shuffled anew";
}

TEST_F(WindowSamplerTest, DrawsTheSameWindowsForAStepInAnyOrderOfCalls) {
  const auto data = dataset({10, 13});
  const WindowSamplerOptions options{.horizons = kDiffusion, .batch_size = 5, .seed = 7};
  WindowSampler one(data, options);
  WindowSampler other(data, options);
  std::vector<std::vector<std::int64_t>> forward;
  for (std::int64_t step = 0; step < 60; ++step) forward.push_back(integers(one.indices(step)));
  for (std::int64_t step = 59; step >= 0; --step) {
    EXPECT_EQ(integers(other.indices(step)), forward[static_cast<std::size_t>(step)]);
  }
  WindowSampler reseeded(data, {.horizons = kDiffusion, .batch_size = 5, .seed = 8});
  EXPECT_NE(integers(reseeded.indices(0)), forward[0]);
}

TEST_F(WindowSamplerTest, SplitsTheSequenceAmongProcesses) {
  const auto data = dataset({10, 13});
  WindowSampler whole(data, {.horizons = kDiffusion, .batch_size = 6, .seed = 7});
  for (std::int64_t rank = 0; rank < 2; ++rank) {
    WindowSampler part(
        data, {.horizons = kDiffusion, .batch_size = 3, .seed = 7, .rank = rank, .world_size = 2});
    EXPECT_EQ(part.steps_per_epoch(), whole.steps_per_epoch());
    EXPECT_TRUE(at::equal(part.indices(5), whole.indices(5).slice(0, 3 * rank, 3 * rank + 3)));
  }
}

TEST_F(WindowSamplerTest, UsesOnlyTheChosenEpisodes) {
  WindowSampler sampler(dataset({5, 6, 7}), {.horizons = kDiffusion, .episodes = {2, 0}});
  EXPECT_EQ(sampler.num_windows(), 12);
  EXPECT_THAT(integers(sampler.batch_of(windows({3, 9})).observations.state()),
              ElementsAre(202, 203, 1, 2));
}

TEST_F(WindowSamplerTest, SupportsStridesAndWholeWindows) {
  constexpr Horizons kClips{
      .obs = 3, .pred = 6, .num_action = 1, .obs_stride = 2, .whole_windows = true};
  WindowSampler sampler(dataset({5, 8, 6}), {.horizons = kClips, .batch_size = 4});
  // Clips have 6 rows: none fits in 5 rows, 3 fit in 8 rows, and 1 fits in 6 rows.
  EXPECT_EQ(sampler.num_windows(), 4);
  const Batch batch = sampler.batch_of(windows({0, 2, 3}));
  EXPECT_THAT(integers(batch.observations.state()),
              ElementsAre(100, 102, 104, 102, 104, 106, 200, 202, 204));
  EXPECT_THAT(integers(batch.actions[1]), ElementsAre(-102, -103, -104, -105, -106, -107));
  EXPECT_FALSE(batch.is_pad.any().item<bool>());
}

TEST_F(WindowSamplerTest, ReportsTheEpisodeLengthNeededForAWholeWindow) {
  try {
    WindowSampler sampler(
        dataset({5, 4}),
        {.horizons = {
             .obs = 3, .pred = 6, .num_action = 1, .obs_stride = 2, .whole_windows = true}});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("an episode of at least 6 rows"));
    EXPECT_THAT(error.what(), HasSubstr("2 episodes with 9 rows in total"));
  }
}

TEST_F(WindowSamplerTest, GathersImagesOfSpacedObservations) {
  const auto data = dataset({9});
  WindowSampler sampler(
      data, {.horizons = {.obs = 3, .pred = 1, .num_action = 1, .obs_stride = 3}, .prefetch = 0});
  sampler.set_frames(std::make_shared<FrameStore>(data, data->spec().camera_names(),
                                                  FrameStoreOptions{.folder = folder_ / "cache"}));
  const Batch batch = sampler.batch_of(windows({7}));
  for (const std::int64_t step : {0, 1, 2}) {
    EXPECT_TRUE(
        at::equal(batch.observations.at("top")[0][step], data->all_frames(0, "top")[1 + 3 * step]));
  }
}

TEST_F(WindowSamplerTest, ReturnsTheSameImagesFromFramesThatTheDeviceKeeps) {
  // Rows of 60 bytes, which are not a number of words, and of 72 bytes.
  for (const ImageSize size : {ImageSize{4, 5}, ImageSize{4, 6}}) {
    const auto data =
        std::make_shared<TableDataset>(folder_ / "data", std::vector<std::int64_t>{6, 9, 4},
                                       std::vector<std::string>{"front", "top"}, size);
    const auto frames = std::make_shared<FrameStore>(
        data, data->spec().camera_names(), FrameStoreOptions{.storage = FrameStorage::kMemory});
    const WindowSamplerOptions options{.horizons = kDiffusion, .batch_size = 4, .episodes = {0, 2}};
    WindowSampler copying(data, options);
    copying.set_frames(frames);
    WindowSampler keeping(data, options);
    keeping.set_frames(frames, /*keep_on_device=*/true);
    for (const std::int64_t step : {0, 1, 5}) {
      const Observation expected = copying.batch(step).observations;
      const Observation found = keeping.batch(step).observations;
      ASSERT_EQ(found.size(), expected.size());
      for (const auto& [name, values] : expected) {
        EXPECT_EQ(found.at(name).scalar_type(), values.scalar_type()) << name;
        EXPECT_TRUE(found.at(name).equal(values)) << name << ", step " << step;
      }
    }
    // The first row of the second of the chosen episodes.
    const Batch batch = keeping.batch_of(windows({6}));
    EXPECT_TRUE(batch.observations.at("top")[0][1].equal(data->all_frames(2, "top")[0]));
  }
}

TEST_F(WindowSamplerTest, ReturnsTheFeaturesOfTheObservedRows) {
  const auto data = dataset({3, 4});
  Embeddings embeddings;
  embeddings.first = {0, 3, 7};
  embeddings.values = at::arange(14, at::kFloat).view({7, 1, 2});
  WindowSampler sampler(data, {.horizons = kDiffusion});
  sampler.set_features(embeddings);
  const Batch batch = sampler.batch_of(windows({3, 6}));
  EXPECT_THAT(batch.features.sizes(), ElementsAre(2, 2, 2));
  EXPECT_THAT(integers(batch.features), ElementsAre(6, 7, 6, 7, 10, 11, 12, 13));
}

TEST_F(WindowSamplerTest, FindsTheFeaturesOfItsEpisodesInThoseOfAll) {
  const auto data = dataset({3, 4, 2, 5});
  Embeddings embeddings;
  embeddings.first = {0, 3, 7, 9, 14};
  embeddings.values = at::arange(28, at::kFloat).view({14, 2, 1});  // row 2 n + k
  WindowSampler sampler(data, {.horizons = kDiffusion, .episodes = {1, 3}});
  sampler.set_features(embeddings);
  // The last windows of both episodes: rows 5 and 6, 12 and 13 of all episodes.
  const Batch batch = sampler.batch_of(windows({3, 8}));
  EXPECT_THAT(integers(batch.features), ElementsAre(10, 12, 24, 26));
  EXPECT_TRUE(at::equal(sampler.batch_of(windows({0})).features[0][1][0], at::full({}, 6.0)));
}

TEST_F(WindowSamplerTest, DrawsAVariantPerWindowFromSeedAndStep) {
  const auto data = dataset({8});
  Embeddings embeddings;
  embeddings.first = {0, 8};
  embeddings.values = at::arange(24, at::kFloat).view({8, 3, 1});  // row 3 n + k
  const WindowSamplerOptions options{.horizons = kDiffusion, .batch_size = 64, .seed = 1};
  WindowSampler sampler(data, options);
  sampler.set_features(embeddings);
  const Batch batch = sampler.batch(2);
  const at::Tensor rows =
      batch.observations.state().squeeze(2).to(at::kLong);  // the state is the row's index
  const at::Tensor variant = batch.features.squeeze(2).to(at::kLong) - 3 * rows;
  EXPECT_EQ(variant.min().item<std::int64_t>(), 0);
  EXPECT_EQ(variant.max().item<std::int64_t>(), 2);
  EXPECT_TRUE(at::equal(variant.select(1, 0), variant.select(1, 1)))
      << "all steps of a window use one variant";
  WindowSampler again(data, options);
  again.set_features(embeddings);
  EXPECT_TRUE(at::equal(again.batch(2).features, batch.features));
  EXPECT_FALSE(at::equal(again.batch(3).features, batch.features));
}

TEST_F(WindowSamplerTest, PrefetchesTheSameImagesAsItGathersDirectly) {
  const auto data = dataset({6, 9});
  const auto frames = std::make_shared<FrameStore>(data, data->spec().camera_names(),
                                                   FrameStoreOptions{.folder = folder_ / "cache"});
  WindowSampler ahead(data, {.horizons = kDiffusion, .batch_size = 4, .prefetch = 3});
  WindowSampler direct(data, {.horizons = kDiffusion, .batch_size = 4, .prefetch = 0});
  ahead.set_frames(frames);
  direct.set_frames(frames);
  for (const std::int64_t step : {0, 1, 2, 3, 9, 10, 4, 5}) {  // with a jump, as after resuming
    const Batch one = ahead.batch(step);
    const Batch other = direct.batch(step);
    EXPECT_THAT(one.observations.at("top").sizes(), ElementsAre(4, 2, 4, 5, 3));
    for (const auto& [camera, images] : one.observations) {
      EXPECT_TRUE(at::equal(images, other.observations.at(camera))) << camera << ", step " << step;
    }
    // The first window's last observation is its present.
    const std::int64_t window = integers(ahead.indices(step))[0];
    const std::int64_t episode = window < 6 ? 0 : 1;
    EXPECT_TRUE(at::equal(one.observations.at("front")[0][1],
                          data->all_frames(episode, "front")[window - 6 * episode]));
  }
}

TEST_F(WindowSamplerTest, DoesNotUseTheDefaultGenerator) {
  WindowSampler sampler(dataset({6, 9}), {.horizons = kDiffusion, .batch_size = 4});
  const at::Tensor before = at::detail::getDefaultCPUGenerator().get_state().clone();
  sampler.batch(3);
  EXPECT_TRUE(at::equal(before, at::detail::getDefaultCPUGenerator().get_state()));
}

TEST_F(WindowSamplerTest, RefusesADatasetWithoutRows) {
  try {
    WindowSampler sampler(dataset({0}), {.horizons = kDiffusion});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("there is nothing to train on"));
  }
}

}  // namespace
}  // namespace roboimi
