// Tests of the window sampler with weighted parts of a dataset.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <cmath>
#include <vector>

#include "roboimi/common/random.h"
#include "roboimi/data/window_sampler.h"
#include "tests/error_text.h"
#include "tests/unit/data/table_dataset.h"

namespace roboimi {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Horizons kShort{.obs = 2, .pred = 4, .num_action = 2};

class WeightedSampler : public ::testing::Test {
 protected:
  // Episodes of 10, 90 and 300 rows: windows 0-9, 10-99 and 100-399.
  WindowSamplerOptions options(double first, double second) const {
    return {.horizons = kShort,
            .batch_size = 8,
            .seed = 7,
            .parts = {{.name = "monday", .weight = first, .episodes = {0, 1}},
                      {.name = "tuesday", .weight = second, .episodes = {2}}}};
  }
  static std::vector<std::int64_t> integers(const at::Tensor& tensor) {
    const at::Tensor flat = tensor.contiguous();
    return {flat.data_ptr<std::int64_t>(), flat.data_ptr<std::int64_t>() + flat.numel()};
  }
  static std::int64_t num_of_monday(const at::Tensor& windows) {
    return windows.lt(100).sum().item<std::int64_t>();
  }

  ScratchFolder folder_;
  std::shared_ptr<TableDataset> data_ = std::make_shared<TableDataset>(
      folder_ / "data", std::vector<std::int64_t>{10, 90, 300}, std::vector<std::string>{"top"});
};

TEST_F(WeightedSampler, DrawsWindowsInProportionToTheWeights) {
  WindowSampler sampler(data_, options(3, 1));
  EXPECT_EQ(sampler.num_windows(), 400);
  EXPECT_EQ(sampler.steps_per_epoch(), 50);
  ASSERT_EQ(sampler.shares().size(), 2U);
  EXPECT_EQ(sampler.shares()[0].name, "monday");
  EXPECT_NEAR(sampler.shares()[0].share, 0.75, 1e-6);
  EXPECT_EQ(sampler.shares()[1].num_windows, 300);
  for (std::int64_t step = 0; step < 200; ++step) {
    EXPECT_EQ(num_of_monday(sampler.indices(step)), 6);
  }
  // A batch holds the rows of the drawn windows.
  const at::Tensor states = sampler.batch(5).observations.state().select(1, 1).flatten();
  EXPECT_TRUE(at::equal(
      sampler.batch_of(sampler.indices(5)).observations.state().select(1, 1).flatten(), states));
  EXPECT_EQ(states.lt(200).sum().item<std::int64_t>(), 6);
}

TEST_F(WeightedSampler, WithoutPartsDrawsAsBefore) {
  WindowSamplerOptions plain = options(1, 1);
  plain.parts.clear();
  WindowSampler sampler(data_, plain);
  EXPECT_THAT(sampler.shares(), IsEmpty());
  at::Generator generator = make_generator(mix_seed(7, 0, 0));
  const at::Tensor epoch = at::randperm(400, generator, at::TensorOptions(at::kLong));
  EXPECT_TRUE(at::equal(sampler.indices(3), epoch.slice(0, 24, 32)));
}

TEST_F(WeightedSampler, KeepsTheSharesIfEpisodesAreHeldOut) {
  WindowSamplerOptions some = options(3, 1);
  some.episodes = {0, 2};  // windows 0-9 and 10-309
  WindowSampler sampler(data_, some);
  EXPECT_EQ(sampler.shares()[0].num_windows, 10);
  for (std::int64_t step = 0; step < 50; ++step) {
    EXPECT_EQ(sampler.indices(step).lt(10).sum().item<std::int64_t>(), 6);
  }
}

TEST_F(WeightedSampler, DrawsNothingOfAPartWithWeightZero) {
  WindowSampler sampler(data_, options(1, 0));
  ASSERT_EQ(sampler.shares().size(), 1U);
  for (std::int64_t step = 0; step < 100; ++step) {
    EXPECT_EQ(num_of_monday(sampler.indices(step)), 8);
  }
}

TEST_F(WeightedSampler, DividesTheBatchAmongProcesses) {
  WindowSamplerOptions all = options(2, 3);
  all.batch_size = 24;
  const WindowSampler whole(data_, all);
  for (std::int64_t step = 0; step < 40; ++step) {
    // The processes' windows together are those of one process with the whole batch.
    std::vector<std::int64_t> drawn;
    for (std::int64_t rank = 0; rank < 3; ++rank) {
      WindowSamplerOptions own = options(2, 3);
      own.rank = rank;
      own.world_size = 3;
      const WindowSampler part(data_, own);
      EXPECT_EQ(part.steps_per_epoch(), whole.steps_per_epoch());
      const std::vector<std::int64_t> windows = integers(part.indices(step));
      EXPECT_NEAR(static_cast<double>(num_of_monday(part.indices(step))), 0.4 * 8, 1.0);
      drawn.insert(drawn.end(), windows.begin(), windows.end());
    }
    EXPECT_THAT(drawn, ::testing::UnorderedElementsAreArray(integers(whole.indices(step))));
  }
}

TEST_F(WeightedSampler, StartsInTheMiddleWithTheSameBatches) {
  const auto frames = std::make_shared<FrameStore>(data_, data_->spec().camera_names(),
                                                   FrameStoreOptions{.folder = folder_ / "cache"});
  WindowSampler uninterrupted(data_, options(3, 1));
  WindowSampler resumed(data_, options(3, 1));
  uninterrupted.set_frames(frames);
  resumed.set_frames(frames);
  std::vector<Batch> batches;
  for (std::int64_t step = 0; step < 60; ++step) batches.push_back(uninterrupted.batch(step));
  for (std::int64_t step = 47; step < 60; ++step) {
    const Batch batch = resumed.batch(step);
    const Batch& expected = batches[static_cast<std::size_t>(step)];
    EXPECT_TRUE(at::equal(batch.actions, expected.actions));
    EXPECT_TRUE(at::equal(batch.observations.at("top"), expected.observations.at("top")));
    // Images and states belong to the same windows.
    const auto state = batch.observations.state()[0][1].item<float>();
    const auto episode = static_cast<std::int64_t>(state / 100) == 0 ? 0 : 1;
    if (state < 190) {
      EXPECT_TRUE(at::equal(
          batch.observations.at("top")[0][1],
          data_->all_frames(episode, "top")[static_cast<std::int64_t>(state) - 100 * episode]));
    }
  }
}

TEST_F(WeightedSampler, RefusesAWeightWithoutWindows) {
  WindowSamplerOptions held_out = options(3, 1);
  held_out.episodes = {0, 1};
  EXPECT_THAT(error_text([&] { WindowSampler(data_, held_out); }),
              HasSubstr("tuesday: a part of the dataset has a weight, but no window to train on: "
                        "expected a training episode of at least 1 rows; found none, and weight 1; "
                        "hold out fewer episodes, or set the weight of this part to 0"));
  WindowSamplerOptions clips = options(3, 1);
  clips.horizons = {.obs = 3, .pred = 200, .num_action = 1, .whole_windows = true};
  EXPECT_THAT(error_text([&] { WindowSampler(data_, clips); }),
              HasSubstr("monday: a part of the dataset has a weight, but no window to train on: "
                        "expected a training episode of at least 200 rows"));
}

class PartedDataset : public TableDataset {
 public:
  PartedDataset(const ScratchFolder& folder, std::vector<DatasetPart> parts)
      : TableDataset(folder / "data", {2, 3, 4}, {}), parts_(std::move(parts)) {}
  std::vector<DatasetPart> parts() const override { return parts_; }

 private:
  std::vector<DatasetPart> parts_;
};

TEST(DatasetParts, AreChecked) {
  const ScratchFolder folder;
  const auto failure = [&](std::vector<DatasetPart> parts) {
    return error_text([&] { checked_parts(PartedDataset(folder, std::move(parts))); });
  };
  EXPECT_EQ(checked_parts(TableDataset(folder / "plain", {2}, {})).size(), 0U);
  const PartedDataset complete(folder, {{.name = "a", .episodes = {2, 0}},
                                        {.name = "b", .weight = 0, .episodes = {1}},
                                        {.name = "without episodes", .weight = 0}});
  EXPECT_EQ(checked_parts(complete).size(), 3U);
  EXPECT_THAT(failure({{.name = "a", .weight = -1, .episodes = {0, 1, 2}}}),
              HasSubstr("a: a part of the dataset has an unusable weight: expected a finite number "
                        "of at least 0; found -1"));
  EXPECT_THAT(failure({{.name = "a", .weight = std::nan(""), .episodes = {0, 1, 2}}}),
              HasSubstr("found nan"));
  EXPECT_THAT(failure({{.name = "a", .weight = INFINITY, .episodes = {0, 1, 2}}}),
              HasSubstr("found inf"));
  EXPECT_THAT(failure({{.name = "a", .weight = 0, .episodes = {0, 1, 2}}}),
              HasSubstr("all parts of the dataset have weight 0"));
  EXPECT_THAT(failure({{.name = "a", .episodes = {0, 1}}, {.name = "b", .episodes = {1, 2}}}),
              AllOf(HasSubstr("expected episode 1 in one part"), HasSubstr("found in 2 parts")));
  EXPECT_THAT(failure({{.name = "a", .episodes = {0, 1}}}), HasSubstr("found in 0 parts"));
  EXPECT_THAT(failure({{.name = "a", .episodes = {0, 1, 3}}}),
              HasSubstr("the part 'a' lists an episode that does not exist: expected indices below "
                        "3; found 3"));
}

}  // namespace
}  // namespace roboimi
