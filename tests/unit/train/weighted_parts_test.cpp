// Tests of training on a dataset whose parts have weights.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "roboimi/common/files.h"
#include "roboimi/plugin/identity.h"
#include "roboimi/train/training_data.h"
#include "tests/unit/train/experiment_fixture.h"

namespace roboimi {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class WeightedParts : public ExperimentTest {
 protected:
  // Four episodes of 30 rows: two in each part.
  TrainingData data(std::vector<double> weights, const HeldOut& held_out) const {
    testing::TinyAgent agent(testing::tiny_spec(), 0.1, 8);
    return prepare_training_data(
        std::make_shared<testing::TinyDataset>(folder_ / "data.bin", std::move(weights)), agent, {},
        {.batch_size = 8, .seed = 1, .held_out = held_out});
  }
  ConfigNode weighted(const std::string& name, std::int64_t max_steps,
                      const std::string& weights) const {
    ConfigNode root = config(name, max_steps);
    root.set_path("data.weights", parse_yaml(weights, "test.yaml"));
    return root;
  }
  static std::string plan_of(const ConfigNode& root) {
    ::testing::internal::CaptureStdout();
    EXPECT_EQ(run_experiment(root, {.dry_run = true}), 0);
    return ::testing::internal::GetCapturedStdout();
  }
};

TEST_F(WeightedParts, KeepTheirSharesWithHeldOutEpisodes) {
  const TrainingData of = data({3, 1}, {.episodes = 1});
  EXPECT_THAT(of.training_episodes, ElementsAre(0, 1, 2));
  for (std::int64_t step = 0; step < 30; ++step) {
    EXPECT_EQ(of.sampler->indices(step).lt(60).sum().item<std::int64_t>(), 6);
  }
  EXPECT_THAT(of.describe_shares(),
              ElementsAre("75.0 % from first: 60 windows, each 1.12 times per epoch",
                          "25.0 % from last: 30 windows, each 0.75 times per epoch"));
}

TEST_F(WeightedParts, ChangeNeitherTheStatisticsNorTheHeldOutWindows) {
  const TrainingData plain = data({}, {.fraction = 0.5}), of = data({3, 1}, {.fraction = 0.5});
  EXPECT_TRUE(at::equal(of.statistics.state.mean, plain.statistics.state.mean));
  EXPECT_TRUE(at::equal(of.statistics.action.std, plain.statistics.action.std));
  EXPECT_EQ(of.held_out_episodes, plain.held_out_episodes);
  EXPECT_THAT(of.held_out_sampler->shares(), IsEmpty());
  EXPECT_THAT(plain.describe_shares(), IsEmpty());
}

TEST_F(WeightedParts, OfWeightZeroAreOnlyValidated) {
  const TrainingData of = data({0, 1}, {.fraction = 0.5});
  EXPECT_THAT(of.held_out_episodes, ElementsAre(1, 3));
  EXPECT_THAT(of.training_episodes, ElementsAre(2));
  EXPECT_EQ(of.sampler->num_windows(), 30);
  EXPECT_TRUE(at::allclose(of.statistics.state.mean, of.dataset->state(2).mean(0)));
}

TEST_F(WeightedParts, NeedATrainingEpisode) {
  EXPECT_THAT(error_text([&] {
                data({3, 1}, {.episodes = 2});
              }),
              HasSubstr("last: a part of the dataset has a weight, but no window to train on"));
  EXPECT_THAT(error_text([&] {
                data({0, 1}, {.episodes = 2});
              }),
              HasSubstr("data: no episodes are left to train on: expected an episode with a weight "
                        "above 0 that is not held out; found 4 episodes, 2 held out, the others "
                        "with weight 0; hold out fewer episodes, or change the weights"));
  EXPECT_THAT(error_of(weighted("zero", 10, "[0, 0]")),
              HasSubstr("all parts of the dataset have weight 0"));
  EXPECT_FALSE(fs::exists(folder_ / "runs"));
}

TEST_F(WeightedParts, AreShownInADryRun) {
  EXPECT_THAT(
      plan_of(weighted("dry", 40, "[3, 1]")),
      AllOf(HasSubstr("data          4 training episodes, 0 held out, 120 windows\n"
                      "draws         75.0 % from first: 60 windows, each 1.5 times per epoch\n"
                      "draws         25.0 % from last: 60 windows, each 0.5 times per epoch\n"),
            HasSubstr("training      40 steps, 5.3 epochs, on cpu\n")));
  EXPECT_THAT(plan_of(config("dry", 40)), Not(HasSubstr("draws")));
}

TEST_F(WeightedParts, ResumeBitExactly) {
  ASSERT_EQ(run_experiment(weighted("whole", 40, "[3, 1]"), {}), 0);
  ASSERT_EQ(run_experiment(weighted("halves", 20, "[3, 1]"), {}), 0);
  ASSERT_EQ(run_experiment(weighted("halves", 40, "[3, 1]"), {.resume = run_of("halves")}), 0);
  ASSERT_EQ(run_experiment(config("plain", 40), {}), 0);
  const fs::path model = fs::path("checkpoints") / "step_00000040" / "model.safetensors";
  EXPECT_TRUE(read_text(run_of("whole") / model) == read_text(run_of("halves") / model));
  EXPECT_FALSE(read_text(run_of("whole") / model) == read_text(run_of("plain") / model));
  EXPECT_THAT(read_text(run_of("whole") / "log.txt"),
              HasSubstr("draws: 75.0 % from first: 60 windows"));
}

TEST_F(WeightedParts, KeepCachesValid) {
  const auto identity = [&](const ConfigNode& root) {
    return component_identity(Registry::instance(), ComponentKind::kDataset, *root.find("data"),
                              "data");
  };
  EXPECT_EQ(identity(weighted("a", 10, "[3, 1]")).options, identity(config("a", 10)).options);
  EXPECT_THAT(identity(config("a", 10)).options, HasSubstr("path"));
}

}  // namespace
}  // namespace roboimi
