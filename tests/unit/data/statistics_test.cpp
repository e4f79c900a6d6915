#include "roboimi/data/statistics.h"

#include <gmock/gmock.h>

#include <functional>
#include <limits>

#include "roboimi/common/error.h"
#include "roboimi/common/random.h"
#include "roboimi/data/window_sampler.h"
#include "tests/error_text.h"
#include "tests/unit/data/table_dataset.h"

namespace roboimi {
namespace {

TEST(DatasetStatistics, UseOnlyTheTrainingEpisodes) {
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

TEST(DatasetStatistics, IncludePercentilesAndRelativeActions) {
  const ScratchFolder folder;
  const TableDataset data(folder / "data", {3, 4, 5}, {});
  // numpy: quantiles of rows 0, 1, 2 and 200 .. 204.
  EXPECT_FLOAT_EQ(dataset_statistics(data, {0, 2}).state.q01.item<float>(), 0.07);
  EXPECT_FLOAT_EQ(dataset_statistics(data, {0, 2}).state.q99.item<float>(), 203.93);
  EXPECT_FALSE(dataset_statistics(data, {0, 2}).relative_action.has_value());
  // Actions -(100 e + t + offset) minus states 100 e + t, for the offsets -1, 0, 1 of three actions
  // after two observations.
  const Horizons horizons{.obs = 2, .pred = 3, .num_action = 1};
  const Statistics relative =
      dataset_statistics(data, {0, 2}, nullptr, &horizons).relative_action.value();
  EXPECT_FLOAT_EQ(relative.min.item<float>(), -408.0);
  EXPECT_FLOAT_EQ(relative.max.item<float>(), 0.0);
  EXPECT_FLOAT_EQ(relative.mean.item<float>(), -263.3);
}

// There are 60 million pairs of a state and an action, of which a part is used.
TEST(DatasetStatistics, WeighRelativeActionsOfShortEpisodesByTheirNumber) {
  const ScratchFolder folder;
  std::vector<std::int64_t> lengths(1010, 10);
  std::fill_n(lengths.begin(), 10, 2000);
  const TableDataset data(folder / "data", lengths, {});
  const Horizons horizons{.obs = 1, .pred = 2000, .num_action = 1};
  double sum = 0.0, count = 0.0;
  for (std::size_t e = 0; e < lengths.size(); ++e) {
    for (std::int64_t offset = 0; offset < lengths[e]; ++offset) {
      // The mean of -(100 e + t + offset) - (100 e + t) over t.
      const auto pairs = static_cast<double>(lengths[e] - offset);
      sum -= pairs * (200.0 * static_cast<double>(e) + static_cast<double>(offset) + pairs - 1.0);
      count += pairs;
    }
  }
  const Statistics relative =
      dataset_statistics(data, {}, nullptr, &horizons).relative_action.value();
  EXPECT_NEAR(relative.mean.item<double>() / (sum / count), 1.0, 0.01);
}

TEST(DatasetStatistics, ExcludeStepsBetweenEpisodesFromTheActionRange) {
  const ScratchFolder folder;
  const TableDataset data(folder / "data", {3, 4, 5}, {});
  // Rows 0, -1, -2 and -200 .. -204: the jump from one episode to the next does not count as a
  // step.
  const ActionRange range = action_range(data, {0, 2});
  EXPECT_EQ(range.min, std::vector<double>{-204});
  EXPECT_EQ(range.max, std::vector<double>{0});
  EXPECT_EQ(range.largest_step, std::vector<double>{1});
  const TableDataset short_data(folder / "short", {1}, {});
  EXPECT_EQ(action_range(short_data, {}).largest_step, std::vector<double>{0});
}

TEST(DatasetStatistics, UseAllVariantsOfTheFeatures) {
  const ScratchFolder folder;
  const TableDataset data(folder / "data", {2, 1}, {});
  Embeddings embeddings;
  embeddings.first = {0, 2, 3};
  embeddings.values = at::tensor({1.f, 2.f, 3.f, 4.f, 50.f, 60.f}).view({3, 2, 1});
  const DatasetStatistics statistics = dataset_statistics(data, {0}, &embeddings);
  EXPECT_FLOAT_EQ(statistics.features->mean.item<float>(), 2.5);
  EXPECT_FLOAT_EQ(statistics.features->max.item<float>(), 4);
}

TEST(DatasetStatistics, OfFeaturesAreTheSameInBlocks) {
  Embeddings embeddings;
  embeddings.first = {0, 5, 6, 13};
  at::Generator generator = make_generator(3);
  embeddings.values = at::randn({13, 2, 3}, generator).to(at::kHalf) + 1.0;
  const std::vector<std::int64_t> episodes = {0, 2};
  const at::Tensor rows = embeddings.of_episodes(episodes).flatten(0, 1).to(at::kFloat);
  const Statistics whole = Statistics::of(rows);
  for (const std::int64_t block_rows : {1, 4, 100}) {
    const Statistics found = statistics_in_blocks(embeddings, episodes, block_rows);
    EXPECT_TRUE(found.min.equal(whole.min));
    EXPECT_TRUE(found.max.equal(whole.max));
    EXPECT_TRUE(found.mean.allclose(whole.mean));
    EXPECT_TRUE(found.std.allclose(whole.std));
    EXPECT_TRUE(found.covariance.allclose(whole.covariance));
  }
  EXPECT_THROW(statistics_in_blocks(embeddings, {}, 4), Error);
  embeddings.values[12][1][2] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(error_text([&] { statistics_in_blocks(embeddings, episodes, 4); }),
              ::testing::HasSubstr("features that are NaN or infinite"));
}

TEST(DatasetStatistics, AreComputedForHalfFeaturesUnlessTheyAreNormalized) {
  const ScratchFolder folder;
  const TableDataset data(folder / "data", {2, 1}, {});
  Embeddings embeddings;
  embeddings.first = {0, 2, 3};
  embeddings.values = at::tensor({1.f, 2.f, 60.f}).view({3, 1, 1}).to(at::kHalf);
  const DatasetStatistics statistics = dataset_statistics(data, {0}, &embeddings);
  EXPECT_FLOAT_EQ(statistics.features->mean.item<float>(), 1.5);
  EXPECT_EQ(statistics.features->mean.scalar_type(), at::kFloat);
  embeddings.are_normalized = true;
  EXPECT_FALSE(dataset_statistics(data, {0}, &embeddings).features.has_value());
}

// A dataset with a value in one episode that is not finite.
class DatasetWithNan : public TableDataset {
 public:
  using TableDataset::TableDataset;
  at::Tensor read(std::int64_t e, const std::string& stream, std::int64_t first,
                  std::int64_t count) const override {
    at::Tensor rows = TableDataset::read(e, stream, first, count).clone();
    if (e == 1 && stream == kState) rows[2][0] = std::numeric_limits<double>::quiet_NaN();
    return rows;
  }
};

TEST(CheckFinite, NamesTheFileAndTheRow) {
  const ScratchFolder folder;
  EXPECT_NO_THROW(check_finite(TableDataset(folder / "good", {3, 4}, {})));
  try {
    check_finite(DatasetWithNan(folder / "bad", {3, 4}, {}));
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                ::testing::HasSubstr("bad/episode_1.raw: a state is not finite: expected finite "
                                     "values; found nan in episode 1, row 2, column 0 (1 such "
                                     "values in total); fix the episode, or leave it out: list "
                                     "the others, by their numbers in the dataset, in "
                                     "data.episodes, such as [0-6, 8-49]"));
  }
}

// An agent that refuses rows of one stream.
class PickyAgent : public Agent {
 public:
  PickyAgent(ObservationSpec spec, std::string stream)
      : spec_(std::move(spec)), stream_(std::move(stream)) {}
  const ObservationSpec& spec() const override { return spec_; }
  const Horizons& horizons() const override { return horizons_; }
  Backbone* backbone() const override { return nullptr; }
  void set_statistics(const DatasetStatistics&) override {}
  bool has_statistics() const override { return true; }
  LossReport loss(const Batch&, at::Generator&) override { return {}; }
  void check_rows(const std::string& stream, const at::Tensor& rows) const override {
    if (stream != stream_ || rows.size(0) != 4) return;
    throw Error({.what = "cannot be used", .where = "dimension 0"});
  }

 private:
  ObservationSpec spec_;
  Horizons horizons_;
  std::string stream_;
};

TEST(CheckRows, NamesTheFileWhoseRowsTheAgentRefuses) {
  const ScratchFolder folder;
  const TableDataset data(folder / "data", {3, 4}, {});
  EXPECT_NO_THROW(check_rows(data, PickyAgent(data.spec(), "velocity")));
  for (const std::string stream : {"state", "action"}) {
    EXPECT_THAT(error_text([&] { check_rows(data, PickyAgent(data.spec(), stream)); }),
                ::testing::HasSubstr("data/episode_1.raw, dimension 0: cannot be used"));
  }
  EXPECT_THROW(check_rows(DatasetWithNan(folder / "bad", {3, 4}, {}), PickyAgent(data.spec(), "")),
               Error);
}

// A dataset that returns one row too few for an episode, which would shift every row after it.
class ShortDataset : public TableDataset {
 public:
  using TableDataset::TableDataset;
  at::Tensor read(std::int64_t e, const std::string& stream, std::int64_t first,
                  std::int64_t count) const override {
    const bool is_short = e == 1 && stream == kEnvState;
    return TableDataset::read(e, stream, first, count).slice(0, is_short ? 1 : 0);
  }
};

TEST(CheckFinite, NamesTheDatasetWhoseRowsDoNotMatchItsSpec) {
  const ScratchFolder folder;
  const auto data = std::make_shared<ShortDataset>(
      folder / "short", std::vector<std::int64_t>{3, 4}, std::vector<std::string>{});
  for (const auto& call : std::vector<std::function<void()>>{
           [&] { check_finite(*data); }, [&] { dataset_statistics(*data, {}); },
           [&] {
             WindowSampler(data, {.horizons = {1, 1, 1}});
           }}) {
    EXPECT_THAT(error_text(call),
                ::testing::AllOf(
                    ::testing::HasSubstr("short/episode_1.raw: read('env_state') of the dataset"),
                    ::testing::HasSubstr("ShortDataset"),
                    ::testing::HasSubstr("expected Float [4, 2]; found Float [3, 2]")));
  }
}

TEST(DatasetStatistics, ReportFeaturesThatAreNotFinite) {
  const ScratchFolder folder;
  const TableDataset data(folder / "data", {2}, {});
  Embeddings embeddings;
  embeddings.first = {0, 2};
  embeddings.values = at::full({2, 1, 1}, std::numeric_limits<double>::infinity());
  try {
    dataset_statistics(data, {0}, &embeddings);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                ::testing::HasSubstr("the frozen backbone returned features that are"));
  }
}

// A backbone whose feature is the mean over a frame; training mode changes it.
class MeanBackbone : public Backbone {
 public:
  const std::vector<std::string>& camera_names() const override { return cameras_; }
  std::int64_t output_dim() const override { return 1; }
  bool frozen() const override { return true; }
  at::Tensor encode(const Observation& images, at::Generator&) override {
    ++num_calls;
    const at::Tensor means = images.at("top").to(at::kFloat).mean({2, 3, 4}).unsqueeze(2);
    return is_training() ? means + 1000 : means;
  }
  int num_calls = 0;

 private:
  std::vector<std::string> cameras_ = {"top"};
};

TEST(SampledFeatureStatistics, UseEvenlySpacedFramesInEvaluationMode) {
  const ScratchFolder folder;
  const TableDataset data(folder / "data", {3, 4, 6}, {"top"});
  MeanBackbone backbone;
  backbone.train(true);
  const auto mean = [&](std::int64_t episode, std::int64_t row) {
    return data.all_frames(episode, "top")[row].to(at::kFloat).mean().item<float>();
  };
  // Every third of nine rows: row 0 of episode 0, and rows 0 and 3 of episode 2.
  const Statistics some = sampled_feature_statistics(backbone, data, {0, 2}, at::kCPU, 3);
  EXPECT_EQ(backbone.num_calls, 3);
  EXPECT_NEAR(some.mean.item<float>(), (mean(0, 0) + mean(2, 0) + mean(2, 3)) / 3, 1e-3);
  EXPECT_FLOAT_EQ(some.max.item<float>(), std::max({mean(0, 0), mean(2, 0), mean(2, 3)}));
  EXPECT_TRUE(backbone.is_training());
  sampled_feature_statistics(backbone, data, {}, at::kCPU);
  EXPECT_EQ(backbone.num_calls, 3 + 13);
}

}  // namespace
}  // namespace roboimi
